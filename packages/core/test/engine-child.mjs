import { counter, sql, ZMsg } from '../dist/index.js';

// A node that takes `likes` writes, says so, and then does nothing: the parent decides how it ends.
const { options, likes, durability, listens, title } = JSON.parse(process.argv[2]);
const zm = await ZMsg.open(options);
if (listens) process.on('SIGTERM', () => zm.flush().finally(() => process.exit(7)));
const like = () =>
  zm.cacheAndPeriodicStore('likes', null, counter('feed_meta', 'like_count').inc(1).where('id = ?', 'a'), {
    durability,
  });
await Promise.all(Array.from({ length: likes }, like));
await zm.cacheAndPeriodicStore('note', Buffer.from('kept'));
if (title !== undefined) {
  const update = sql('UPDATE feeds SET content = ? WHERE id = ?', title, 'titled');
  await zm.cacheAndPeriodicStore('titled', Buffer.from(title), update);
}
process.stdout.write('taken\n');
