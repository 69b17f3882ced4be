import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Measured, TrialOptions } from './trial.js';
import type { TrialTask } from './trial-task.js';

export type Request =
  | { call: 'start'; options: TrialOptions }
  | { call: 'run'; task: TrialTask }
  | { call: 'check' | 'stop' };

export type Answer = { value: unknown } | { error: string };

const CHILD = new URL('./contender-child.js', import.meta.url);
/** Longest wait for an answer: something hangs. */
const PATIENCE_MS = 300_000;

/**
 * A contender in a process of its own, with its share of the load's generator: garbage of one is not collected
 * in the rounds of another, event loop, processor time and memory are its own, and no library is loaded that it
 * does not use. The processes live through all rounds, which go in turns; one that waits for its turn does next
 * to nothing.
 */
export class ContenderProcess {
  readonly #name: string;
  readonly #child: ChildProcess;

  private constructor(name: string) {
    this.#name = name;
    this.#child = fork(CHILD, { serialization: 'advanced' });
  }

  static async start(options: TrialOptions): Promise<ContenderProcess> {
    const started = new ContenderProcess(options.contender);
    try {
      await started.#call({ call: 'start', options });
    } catch (error) {
      started.kill();
      throw error;
    }
    return started;
  }

  run(task: TrialTask): Promise<Measured> {
    return this.#call({ call: 'run', task }) as Promise<Measured>;
  }

  check(): Promise<string> {
    return this.#call({ call: 'check' }) as Promise<string>;
  }

  async stop(): Promise<void> {
    await this.#call({ call: 'stop' });
    const exited = once(this.#child, 'exit');
    this.kill();
    await exited;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async #call(request: Request): Promise<unknown> {
    const over = new AbortController();
    const { signal } = over;
    try {
      const answered = once(this.#child, 'message', { signal });
      const ended = once(this.#child, 'exit', { signal }).then(([code, by]) => {
        throw new Error(`${this.#name} ended in the middle of ${request.call} (${code ?? by})`);
      });
      const timer = AbortSignal.timeout(PATIENCE_MS);
      const late = once(timer, 'abort', { signal }).then(() => {
        throw new Error(`${this.#name} has not answered to ${request.call} for ${PATIENCE_MS} ms`);
      });
      for (const promise of [answered, ended, late]) promise.catch(() => {}); // the others are given up below
      this.#child.send(request);
      const [answer] = (await Promise.race([answered, ended, late])) as [Answer];
      if ('error' in answer) throw new Error(`${this.#name}: ${answer.error}`);
      return answer.value;
    } finally {
      over.abort();
    }
  }
}
