/** What follows from the design and from no figure. */
export const WHEN_NOT: readonly string[] = [
  '**One PostgreSQL is not enough.** All nodes write to one; replicas serve loads only. Data that is spread over several databases needs an engine, and an id space, for each.',
  '**A count has to be in the database when the call answers.** Periodic writes are durable in the log and reach PostgreSQL with the next flush. Until then only `query()` through zmsg sees them: reports, triggers and other programs that read the tables see older counts. Strong writes are there for what cannot wait, and cost what PostgreSQL costs.',
  '**There is no disk that survives the process.** Acknowledged likes that are not flushed yet lie in a log on the local disk of one node. Functions that come and go, or containers without a volume, lose them; so does the loss of that disk.',
  '**Several statements must commit together.** Every shard flushes on its own: likes of two batch keys do not become visible at once. `batch()` and SQL transactions are for that, without folding.',
  '**Others write to the same tables.** What is changed past zmsg, by hand or from another language, stays unseen in the caches until it expires or is deleted from them.',
  '**Memory is scarce.** The cache takes its whole size at the start, each shard is a thread, and every attached thread has a ring for each of them.',
  '**Not everything is Node.js.** The engine lives in the process of the application; there is no server that another language could speak to.',
  '**The load is small.** Where one PostgreSQL answers every read and takes every like without an effort, a cache beside it, or none, is less to understand and to operate than a log, shards and leases.',
  '**Several nodes, but no Redis.** Without it nodes do not hear of each other’s writes.',
  '**Not even for seconds may a read be old.** When messages between nodes are lost, a read may for a few seconds give what another node has replaced. Ask PostgreSQL for what must not be.',
  '**Values are live objects of one thread.** What comes out of shared memory are bytes, which have to be parsed; a cache on the heap hands out the object itself.',
];
