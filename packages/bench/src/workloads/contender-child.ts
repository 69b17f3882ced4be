import type { Answer, Request } from './contender-process.js';
import { Trial } from './trial.js';

/** The process of one contender: carries out what it is told, one after the other. */
let trial: Trial | undefined;

process.on('message', async (request: Request) => {
  let answer: Answer;
  try {
    answer = { value: await carryOut(request) };
  } catch (error) {
    answer = { error: (error as Error).stack ?? String(error) };
  }
  process.send?.(answer);
});
// The benchmark was interrupted: nobody will ask any more.
process.on('disconnect', () => process.exit(1));

async function carryOut(request: Request): Promise<unknown> {
  if (request.call === 'start') {
    trial = await Trial.start(request.options);
    return undefined;
  }
  if (trial === undefined) throw new Error('not started');
  switch (request.call) {
    case 'run':
      return trial.run(request.task);
    case 'check':
      return trial.check();
    case 'stop':
      return trial.stop();
  }
}
