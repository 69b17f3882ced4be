// Nanoseconds per built task, texts cached: `node packages/core/bench/sql.mjs` after a build.
import { counter, map, slice, sql, toTask } from '../dist/sql/index.js';

const rounds = 7;
const perRound = 500_000;
const ids = Array.from({ length: 1024 }, (_, i) => `feed_${7_382_910_000 + i}`);
const keys = ids.map((id) => `meta:${id}`);
let sink;

const cases = {
  'sql(2 values)': (i) =>
    sql('INSERT INTO feeds (id, content) VALUES (?, ?)', ids[i & 1023], 'Hello').build(),
  'sql(2 values).onConflict.doUpdate': (i) =>
    sql('INSERT INTO feeds (id, content) VALUES (?, ?)', ids[i & 1023], 'Hello')
      .onConflict('id')
      .doUpdate('content')
      .build(),
  'counter.inc.where': (i) =>
    counter('feed_meta', 'like_count')
      .inc(1)
      .where('id = ?', ids[i & 1023])
      .build(),
  'counter.inc.where.batchKey': (i) =>
    counter('feed_meta', 'like_count')
      .inc(1)
      .where('id = ?', ids[i & 1023])
      .batchKey(keys[i & 1023])
      .build(),
  'counter.inc.where.batchKey, toTask': (i) =>
    toTask(
      counter('feed_meta', 'like_count')
        .inc(1)
        .where('id = ?', ids[i & 1023])
        .batchKey(keys[i & 1023]),
    ),
  'counter.inc.where.orInsert': (i) =>
    counter('feed_meta', 'like_count')
      .inc(1)
      .where('id = ?', ids[i & 1023])
      .orInsert({ id: ids[i & 1023] })
      .build(),
  'slice.add.where': (i) =>
    slice('feed_meta', 'tags')
      .add('tag1')
      .where('id = ?', ids[i & 1023])
      .build(),
  'map.set.where': (i) =>
    map('feed_meta', 'extra')
      .set('key', 'val')
      .where('id = ?', ids[i & 1023])
      .build(),
};

for (const [name, build] of Object.entries(cases)) {
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < perRound; i++) sink = build(i);
    times.push(Number(process.hrtime.bigint() - start) / perRound);
  }
  times.sort((a, b) => a - b);
  console.log(
    `${name.padEnd(36)} ${times[rounds >> 1].toFixed(0).padStart(5)} ns (best ${times[0].toFixed(0)})`,
  );
}
if (sink === undefined) throw new Error('nothing was built');
