import pg from 'pg';
import { sql, ZMsg } from '../dist/index.js';

// A node that writes rows in every way there is, while it checks that its Bloom filter denies no row that
// PostgreSQL shows, whoever wrote it.
const { options, name } = JSON.parse(process.argv[2]);
const zm = await ZMsg.open(options);
zm.loader('b_', { table: 'rows', key: 'id', column: 'value' });
const eyes = new pg.Client({ connectionString: options.postgresDsn });
await eyes.connect();

const run = Date.now().toString(36);
const insert = (key) => sql('INSERT INTO rows (id, value) VALUES (?, ?)', key, key);
const writes = [
  (key) => zm.cacheAndStore(key, Buffer.from(key), insert(key)),
  async (key) => (await zm.cacheAndPeriodicStore(key, null, insert(key))).durable,
  (key) => zm.cacheAndDelayStore(key, Buffer.from(key), insert(key), { delay: 20 }),
  async (key) => {
    await zm.announce([key]);
    await zm.exec(insert(key));
  },
];
const counts = { writes: 0, checks: 0, denials: 0, wrong: [] };
let isOver = false;

async function write() {
  for (let n = 0; !isOver; n++) {
    await writes[n % writes.length](`b_${name}_${run}_${n}`);
    counts.writes += 1;
  }
}

async function check() {
  for (let n = 0; !isOver; n++) {
    // The newest, and some of all others.
    const { rows } = await eyes.query(
      `(SELECT id FROM rows ORDER BY at DESC LIMIT 20)
       UNION (SELECT id FROM rows WHERE at >= to_timestamp($1) ORDER BY at LIMIT 20)`,
      [started + Math.random() * (Date.now() / 1000 - started)],
    );
    for (const { id } of rows) {
      counts.checks += 1;
      if (!(await zm.dbHit(id))) counts.wrong.push(`${id} was denied by ${name}`);
    }
    const newest = rows[0]?.id;
    if (newest !== undefined && (await zm.get(newest)) === undefined)
      counts.wrong.push(`${newest} was not found by ${name}`);
    if (!(await zm.dbHit(`b_none_${name}_${n}`))) counts.denials += 1;
  }
}

const started = (await eyes.query('SELECT extract(epoch FROM now())::float8 AS now')).rows[0].now;
let working;
const calls = {
  work: () => {
    working = Promise.all([write(), check()]);
    working.catch((error) => counts.wrong.push(String(error?.stack ?? error)));
  },
  counts: () => counts,
  close: async () => {
    isOver = true;
    await working;
    await eyes.end();
    await zm.close();
    return counts;
  },
  /** Acknowledged, and not to be in PostgreSQL before the log is recovered. */
  keep: async (key) => {
    await (await zm.cacheAndPeriodicStore(key, null, insert(key))).durable;
  },
  dbHit: (key) => zm.dbHit(key),
  denies: async (key) => !(await zm.dbHit(key)),
};
process.on('message', async ({ id, call, args }) => {
  try {
    process.send({ id, value: await calls[call](...args) });
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error) });
  }
});
process.on('disconnect', () => process.exit());
process.send({ id: 0 });
