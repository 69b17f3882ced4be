import type { Scenario } from '../scenario.js';

/** A table is renamed away and back. Its tasks wait, or become dead letters, which are then retried. */
export const missingTable: Scenario = {
  name: 'missing-table',
  title: 'a table is renamed away and back',
  cycles: 3,
  async cycle(arena) {
    const process = arena.launch({ flushEveryMs: 150 });
    await process.opened;
    await arena.pause(200);
    for (let round = 0; round < 2; round += 1) {
      const table = arena.oneOf(['fault_rows', 'fault_upserts', 'fault_inserts']);
      await arena.query(`ALTER TABLE ${table} RENAME TO away`);
      arena.fault('tables away');
      await arena.pause(arena.between(100, 1_000));
      await arena.query(`ALTER TABLE away RENAME TO ${table}`);
      await arena.pause(arena.between(50, 300));
    }
    await process.stop();
  },
};
