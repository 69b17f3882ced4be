import type { Attempt } from './attempt.js';
import type { DeadLetter } from './dead-letter.js';
import { failureOf } from './failure.js';
import type { Mark } from './progress.js';

/** Letters in one statement, and characters of their tasks, unless a single one has more. */
const MAX_ROWS = 1000;
const MAX_CHARS = 8 << 20;
/** PostgreSQL quotes a value that it does not understand, however long. */
const MAX_ERROR_CHARS = 4096;

const INSERT = `
INSERT INTO zmsg_dead_letters
  (kind, table_name, column_name, operations, task, sqlstate, error, log_id, shard, position)
SELECT u.kind, u.table_name, u.column_name, u.operations, u.task::json, u.sqlstate, u.error, $8, $9, $10
  FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[])
       WITH ORDINALITY AS u(kind, table_name, column_name, operations, task, sqlstate, error, i)
 ORDER BY u.i`;

/** Inserts the letters in the transaction that is open. Throws what `pg` throws. */
export async function insertDeadLetters(
  letters: readonly DeadLetter[],
  mark: Mark,
  position: bigint,
  attempt: Attempt,
): Promise<void> {
  if (letters.length === 0) return;
  await attempt.control('SAVEPOINT zmsg_letters');
  try {
    await insert(letters, mark, position, attempt, toText);
  } catch (error) {
    if (failureOf(error) !== 'refused') throw error;
    // A database that is not in UTF-8 lacks characters that names and messages may have.
    await attempt.control('ROLLBACK TO SAVEPOINT zmsg_letters');
    await insert(letters, mark, position, attempt, toAscii);
  }
}

async function insert(
  letters: readonly DeadLetter[],
  { logId, shard }: Mark,
  position: bigint,
  attempt: Attempt,
  text: (text: string) => string,
): Promise<void> {
  const optional = (name: string | undefined) => (name === undefined ? null : text(name));
  for (const chunk of chunksOf(letters)) {
    const values = [
      chunk.map(({ letter }) => letter.kind),
      chunk.map(({ letter }) => optional(letter.table)),
      chunk.map(({ letter }) => optional(letter.column)),
      chunk.map(({ letter }) => letter.operations),
      chunk.map(({ json }) => json),
      chunk.map(({ letter }) => letter.sqlState ?? null),
      chunk.map(({ letter }) => text(letter.error.message.slice(0, MAX_ERROR_CHARS))),
      logId,
      shard,
      String(position),
    ];
    await attempt.overhead(() => attempt.session.query(INSERT, values));
  }
}

function* chunksOf(letters: readonly DeadLetter[]): Generator<{ letter: DeadLetter; json: string }[]> {
  let chunk: { letter: DeadLetter; json: string }[] = [];
  let chars = 0;
  for (const letter of letters) {
    const json = toAscii(JSON.stringify(letter.task()));
    if (chunk.length >= MAX_ROWS || (chunk.length > 0 && chars + json.length > MAX_CHARS)) {
      yield chunk;
      chunk = [];
      chars = 0;
    }
    chunk.push({ letter, json });
    chars += json.length;
  }
  yield chunk;
}

/** PostgreSQL has no text with U+0000 or a lone surrogate. JSON escapes both. */
function toText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}

/** As JSON escapes them. */
function toAscii(text: string): string {
  return /^[ -~]*$/.test(text)
    ? text
    : text.replace(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
