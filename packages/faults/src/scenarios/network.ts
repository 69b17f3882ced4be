import type { Arena } from '../arena.js';
import { FaultProxy } from '../fault-proxy.js';
import type { Scenario } from '../scenario.js';

/** The network between engine and PostgreSQL: lost COMMITs and answers, delays, half-open connections, resets. */
export const network: Scenario = {
  name: 'network',
  title: 'COMMIT or its answer lost, delays, half-open stalls, resets',
  cycles: 5,
  async cycle(arena) {
    const proxy = new FaultProxy(arena.server.port, arena.random);
    const port = await proxy.listen();
    try {
      const postgresDsn = arena.dsn.replace(`:${arena.server.port}/`, `:${port}/`);
      const process = arena.launch({ options: { postgresDsn }, flushEveryMs: 100 });
      await process.opened;
      for (let left = arena.between(4, 8); left > 0; left -= 1) await trouble(proxy, arena);
      proxy.heal();
      if (arena.random.below(3) === 0) await arena.kill(process);
      else await process.stop();
    } finally {
      proxy.close();
    }
    for (const [kind, count] of proxy.faults) arena.faults.add(kind, count);
  },
};

async function trouble(proxy: FaultProxy, arena: Arena): Promise<void> {
  const lastsMs = arena.between(100, 600);
  switch (arena.random.below(5)) {
    case 0:
      proxy.answersLost = 0.3;
      proxy.commitsLost = 0.1;
      await arena.pause(lastsMs);
      proxy.heal();
      return;
    case 1:
      proxy.latencyMs = arena.between(1, 40);
      await arena.pause(lastsMs);
      proxy.heal();
      return;
    case 2:
      proxy.stall();
      await arena.pause(lastsMs * 3);
      // What was sent meanwhile comes late, or never.
      if (arena.random.below(2) === 0) proxy.reset();
      proxy.resume();
      return;
    case 3:
      proxy.reset();
      await arena.pause(lastsMs / 4);
      return;
    default:
      proxy.answersLost = 1;
      await arena.pause(arena.between(20, 100));
      proxy.heal();
  }
}
