/** What contests and loads are about, by their ids. An id that is not here is known by its title alone. */
const TOPICS: readonly [id: string, words: string, alias?: string][] = [
  ['reads.hit', 'A read of what the cache has'],
  ['reads.l2', 'A read of what only Redis has'],
  ['reads.miss', 'A read of what no cache has'],
  ['reads.many', 'Many keys in one call'],
  ['writes.only', 'A value for the cache alone'],
  ['writes.store', 'A write that PostgreSQL has when the call answers'],
  ['writes.delay', 'A write for later'],
  ['writes.likes', 'Many likes at once'],
  ['counters.likes', 'Likes by how durable they are'],
  ['builders.sql', 'Building a statement'],
  ['builders.counter', 'Building a counter task'],
  ['ids.500', 'Ids in bursts'],
  ['cache.zipf', 'The shared cache by itself'],
  ['coherence.puts', 'Values that other nodes are told of'],
  ['feed', 'A social feed under load'],
  ['viral', 'A post that goes viral'],
  ['cold', 'A start with empty caches'],
  ['stampede', 'Many readers of a key that has just expired'],
  ['trace', 'A recorded trace, played again', 'replay'],
];

export function topicOf(id: string): string | undefined {
  return TOPICS.find(([topic, , alias]) => isAbout(id, topic, alias))?.[1];
}

/** Of all topics those that none of the ids is about. */
export function topicsWithout(ids: readonly string[]): string[] {
  return TOPICS.filter(([topic, , alias]) => !ids.some((id) => isAbout(id, topic, alias))).map(
    ([topic, words]) => `${words} (${topic})`,
  );
}

/** `reads.many` and `reads.many.miss`, `cold` and `cold-start`. */
function isAbout(id: string, ...topics: readonly (string | undefined)[]): boolean {
  return topics.some((topic) => id === topic || id.startsWith(`${topic}.`) || id.startsWith(`${topic}-`));
}
