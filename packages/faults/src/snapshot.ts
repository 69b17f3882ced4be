import pg from 'pg';
import { itemsOf, type LetterRow } from './dead-letter-items.js';
import { rowOf, UNIQUE_ITEM } from './mix.js';
import { Tally } from './tally.js';

/** What is in the database, by item. */
export interface Snapshot {
  readonly items: Tally;
  /** Dead letters, which count as applied. */
  readonly deadLetters: number;
}

type Row = Record<string, string>;

/** Reads everything at one moment. */
export async function takeSnapshot(dsn: string): Promise<Snapshot> {
  const client = new pg.Client({ connectionString: dsn });
  client.on('error', () => {}); // the query under way rejects
  await client.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    return await read(async (text) => (await client.query<Row>(text)).rows);
  } finally {
    await client.end();
  }
}

async function read(query: (text: string) => Promise<Row[]>): Promise<Snapshot> {
  const items = new Tally();
  for (const { id, likes, views } of await query('SELECT id, likes, views FROM fault_rows')) {
    if (likes !== '0') items.add(`c${id}`, Number(likes));
    if (views !== '0') items.add(`v${id}`, Number(views));
  }
  const tags = 'SELECT id::text, tag FROM fault_rows, jsonb_array_elements_text(tags) AS tag';
  for (const { id, tag = '' } of await query(tags)) items.add(inPlace(tag, id));
  const extra = 'SELECT id::text, e.key, e.value FROM fault_rows, jsonb_each_text(extra) AS e';
  for (const { id, key = '', value } of await query(extra)) {
    items.add(value === key ? inPlace(key, id) : `${key}=${value}`);
  }
  for (const { id = '', n } of await query('SELECT id, n FROM fault_upserts')) items.add(id, Number(n));
  const inserts = 'SELECT id, count(*) AS n FROM fault_inserts GROUP BY id';
  for (const { id = '', n } of await query(inserts)) items.add(id, Number(n));
  await addPuts(items, query);
  for (const { id, n, small } of await query('SELECT id, n, small FROM fault_poison')) {
    if (n !== '0') items.add(`x${id}`, Number(n));
    if (String(small) !== '0') items.add(`z${id}`, Number(small));
  }
  await addWaitingJobs(items, query);
  return { items, deadLetters: await addDeadLetters(items, query) };
}

async function addPuts(items: Tally, query: (text: string) => Promise<Row[]>): Promise<void> {
  if (!(await exists('zmsg_data', query))) return; // no engine has been opened yet
  const puts = `SELECT id, rtrim(convert_from(data, 'UTF8')) AS data FROM zmsg_data WHERE id LIKE 'p%'`;
  for (const { id = '', data } of await query(puts)) items.add(data === id ? id : `${id}=${data}`);
}

/** An element in another row than its own was never attempted. */
function inPlace(item: string, row: string | undefined): string {
  return String(rowOf(item)) === row ? item : `${item}@${row}`;
}

/** A delayed write whose job is still there will happen, unless it has happened already. */
async function addWaitingJobs(items: Tally, query: (text: string) => Promise<Row[]>): Promise<void> {
  if (!(await exists('zmsg_boss.job', query))) return;
  const jobs = await query(
    `SELECT data ->> 'write' AS write FROM zmsg_boss.job AS j
     WHERE name = 'writes' AND NOT EXISTS (SELECT FROM zmsg_operations AS o WHERE o.operation_id = j.id)`,
  );
  for (const { write = '' } of jobs) {
    // The cache key and a value of the statement; both name the item.
    const named = Buffer.from(write, 'base64').toString('latin1').match(UNIQUE_ITEM) ?? [];
    for (const item of new Set(named)) items.add(item);
  }
}

/** Returns how many there are. */
async function addDeadLetters(items: Tally, query: (text: string) => Promise<Row[]>): Promise<number> {
  if (!(await exists('zmsg_dead_letters', query))) return 0;
  const letters = await query('SELECT kind, table_name, column_name, task FROM zmsg_dead_letters');
  for (const letter of letters) items.addAll(itemsOf(letter as unknown as LetterRow));
  return letters.length;
}

async function exists(table: string, query: (text: string) => Promise<Row[]>): Promise<boolean> {
  const rows = await query(`SELECT to_regclass('${table}')::text AS found`);
  return rows[0]?.found != null;
}
