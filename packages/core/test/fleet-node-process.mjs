import { sql, ZMsg } from '../dist/index.js';

// A node of a fleet, for tests: it does what its parent asks for over IPC, one answer for each question.
const { options, name } = JSON.parse(process.argv[2]);
const zm = await ZMsg.open(options);

// `paced_…`: rows of `feeds`, loaded as slowly as the table `pace` says; every load of a key leaves a row.
zm.loader('paced_', async (keys, db) => {
  const { rows: started } = await db.exec(
    `INSERT INTO loads (key, node) SELECT unnest($1::text[]), $2 RETURNING id`,
    [keys, name],
  );
  await db.exec('SELECT pg_sleep(ms / 1000.0) FROM pace');
  const { rows } = await db.exec('SELECT id, content FROM feeds WHERE id = ANY ($1)', [keys]);
  await db.exec('UPDATE loads SET ended = clock_timestamp() WHERE id = ANY ($1)', [
    started.map(({ id }) => id),
  ]);
  return new Map(rows.map(({ id, content }) => [id, content]));
});

const text = (value) => value?.toString();
const calls = {
  get: async (key) => text(await zm.get(key)),
  getMany: async (keys) => [...(await zm.getMany(keys))].map(([key, value]) => [key, text(value)]),
  del: (key) => zm.del(key),
  store: async (key, value) => {
    await zm.cacheAndStore(
      key,
      Buffer.from(value),
      sql('INSERT INTO feeds (id, content) VALUES (?, ?)', key, value),
    );
  },
  delay: (key, statement, values, delay) =>
    zm.cacheAndDelayStore(key, Buffer.from(key), sql(statement, ...values), { delay }),
  delayStats: async () => (await zm.delayQueue()).stats(),
  stats: () => zm.stats(),
  close: () => zm.close(),
};

process.on('message', async ({ id, call, args, at }) => {
  // Nodes that are asked for the same moment begin together, whatever the messages took.
  while (at !== undefined && Date.now() < at);
  try {
    process.send({ id, value: await calls[call](...args) });
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error) });
  }
});
process.on('disconnect', () => process.exit());
process.send({ id: 0 });
