import { type ContentTask, InvalidTaskError } from '@zmsg/workers';
import { checkBatchKey } from './batch-key.js';
import { quoteIdentifier } from './identifier.js';
import { checkParameters, parameter } from './parameter.js';
import { appendableText, maxParameters, statementText } from './statement-text.js';

/** What is appended to a text: nothing, or clauses in their order. */
interface Clauses {
  /** Ends with a complete clause. */
  readonly text: string;
  /** The last clause is a `DO UPDATE SET` that takes more columns. */
  readonly isUpdate: boolean;
  readonly isReturning: boolean;
}

const noClauses: Clauses = Object.freeze({ text: '', isUpdate: false, isReturning: false });
const noValues: readonly unknown[] = Object.freeze([]);

/**
 * An SQL statement with its values. Immutable: each call gives a new builder, so one can be kept and
 * continued in several ways.
 */
export class ContentBuilder {
  readonly #source: string;
  readonly #values: readonly unknown[];
  readonly #clauses: Clauses;
  readonly #batchKey: string | undefined;

  /** Use `sql`. */
  constructor(source: string, values: readonly unknown[], clauses: Clauses, batchKey: string | undefined) {
    this.#source = source;
    this.#values = values;
    this.#clauses = clauses;
    this.#batchKey = batchKey;
  }

  /**
   * What to do when the row exists already; `columns` name the unique index. Only `doNothing` goes
   * without columns.
   *
   * @example
   * sql('INSERT INTO feeds (id, content) VALUES (?, ?)', id, content).onConflict('id').doUpdate('content')
   */
  onConflict(...columns: string[]): ConflictBuilder {
    if (this.#clauses.text !== '') {
      throw new InvalidTaskError('onConflict comes once, and before returning');
    }
    const target = columns.length === 0 ? '' : ` (${quoteAll(columns)})`;
    return new ConflictBuilder(
      (text, values, isUpdate) => this.#append(`ON CONFLICT${target} ${text}`, values, isUpdate),
      this.#parameters(),
      columns.length > 0,
    );
  }

  /**
   * One more column for the `DO UPDATE` of `onConflict`, each set to the value that the INSERT gave.
   *
   * @example
   * sql(text, id, content).onConflict('id').doUpdateSet('status', 'active').doUpdate('content')
   */
  doUpdate(...columns: string[]): ContentBuilder {
    this.#needUpdate('doUpdate');
    return this.#append(`, ${excluded(columns)}`, noValues, true);
  }

  /**
   * One more column for the `DO UPDATE` of `onConflict`, set to a value.
   *
   * @example
   * sql(text, id, content).onConflict('id').doUpdate('content').doUpdateSet('status', 'active')
   */
  doUpdateSet(column: string, value: unknown): ContentBuilder {
    this.#needUpdate('doUpdateSet');
    const checked = parameter(value, `the value of doUpdateSet(${JSON.stringify(column)})`);
    return this.#append(`, ${quoteIdentifier(column)} = $${this.#parameters() + 1}`, [checked], true);
  }

  /**
   * The columns that come back as `rows`; none: all of them.
   *
   * @example
   * sql('INSERT INTO feeds (id) VALUES (?)', id).returning('id', 'created_at')
   */
  returning(...columns: string[]): ContentBuilder {
    if (this.#clauses.isReturning) throw new InvalidTaskError('returning comes once');
    appendableText(this.#source);
    const list = columns.length === 0 ? '*' : quoteAll(columns);
    const before = this.#clauses.text === '' ? '' : `${this.#clauses.text} `;
    const clauses = { text: `${before}RETURNING ${list}`, isUpdate: false, isReturning: true };
    return this.#with(clauses, this.#values, this.#batchKey);
  }

  /**
   * Tasks with one batch key keep their order, and of those with the same text in a row only the
   * newest runs. 1 to 512 bytes of UTF-8. Without one every task runs.
   *
   * @example
   * sql('UPDATE feeds SET content = ? WHERE id = ?', content, id).batchKey(`feed:${id}`)
   */
  batchKey(key: string): ContentBuilder {
    return this.#with(this.#clauses, this.#values, checkBatchKey(key));
  }

  /** The task, a plain frozen object. Every call that takes a task also takes the builder. */
  build(): ContentTask {
    const clauses = this.#clauses.text;
    return Object.freeze({
      kind: 'content',
      text: clauses === '' ? statementText(this.#source).text : appendableText(this.#source).text + clauses,
      values: this.#values,
      batchKey: this.#batchKey,
    });
  }

  #parameters(): number {
    return this.#values.length;
  }

  #needUpdate(method: string): void {
    if (this.#clauses.isUpdate) return;
    throw new InvalidTaskError(`${method} follows onConflict(…), and comes before returning`);
  }

  #append(text: string, values: readonly unknown[], isUpdate: boolean): ContentBuilder {
    if (this.#values.length + values.length > maxParameters) {
      throw new InvalidTaskError(`a statement takes at most ${maxParameters} values`);
    }
    // Here and not in `build`, so that the stack of the error shows who wrote the text.
    appendableText(this.#source);
    const clauses = { text: this.#clauses.text + text, isUpdate, isReturning: false };
    const all = values.length === 0 ? this.#values : Object.freeze([...this.#values, ...values]);
    return this.#with(clauses, all, this.#batchKey);
  }

  #with(clauses: Clauses, values: readonly unknown[], batchKey: string | undefined): ContentBuilder {
    return new ContentBuilder(this.#source, values, clauses, batchKey);
  }
}

/** An `onConflict` that still has to be told what to do. */
export class ConflictBuilder {
  readonly #append: (text: string, values: readonly unknown[], isUpdate: boolean) => ContentBuilder;
  readonly #parameters: number;
  readonly #hasTarget: boolean;

  /** Use `sql(…).onConflict(…)`. */
  constructor(
    append: (text: string, values: readonly unknown[], isUpdate: boolean) => ContentBuilder,
    parameters: number,
    hasTarget: boolean,
  ) {
    this.#append = append;
    this.#parameters = parameters;
    this.#hasTarget = hasTarget;
  }

  /**
   * Sets each column to the value that the INSERT gave (`EXCLUDED`).
   *
   * @example
   * sql(text, id, content).onConflict('id').doUpdate('content', 'status')
   */
  doUpdate(...columns: string[]): ContentBuilder {
    this.#needTarget('doUpdate');
    return this.#append(`DO UPDATE SET ${excluded(columns)}`, noValues, true);
  }

  /**
   * Sets one column to a value; more may follow with `doUpdateSet` and `doUpdate`.
   *
   * @example
   * sql(text, id, content).onConflict('id').doUpdateSet('status', 'active')
   */
  doUpdateSet(column: string, value: unknown): ContentBuilder {
    this.#needTarget('doUpdateSet');
    const checked = parameter(value, `the value of doUpdateSet(${JSON.stringify(column)})`);
    const set = `DO UPDATE SET ${quoteIdentifier(column)} = $${this.#parameters + 1}`;
    return this.#append(set, [checked], true);
  }

  /**
   * Leaves the row as it is.
   *
   * @example
   * sql('INSERT INTO follows (a, b) VALUES (?, ?)', a, b).onConflict('a', 'b').doNothing()
   */
  doNothing(): ContentBuilder {
    return this.#append('DO NOTHING', noValues, false);
  }

  /** Always an error: `onConflict` says nothing alone. */
  build(): never {
    throw new InvalidTaskError('onConflict is followed by doUpdate, doUpdateSet or doNothing');
  }

  #needTarget(method: string): void {
    if (this.#hasTarget) return;
    throw new InvalidTaskError(`onConflict needs the columns of a unique index before ${method}`);
  }
}

/**
 * An SQL statement of your own, with `?` for each value (`??` for a question mark, as in the operators
 * `?`, `?|`, `?&` and `@?` of JSONB: `data ?? 'key'`). Question marks inside literals, quoted
 * identifiers, dollar quotes and comments are left alone. A text with `$1…$n` and no `?` is taken as
 * it is. Literals are read as PostgreSQL does with `standard_conforming_strings` on (its default).
 *
 * A value may be null, a boolean, number, bigint, string, `Date`, `Uint8Array` (`bytea`), a plain
 * object (JSON), or an array of these (a PostgreSQL array, as with `pg`: for a JSON array give
 * `JSON.stringify(array)`). Bytes are not copied: leave them unchanged until the write is
 * acknowledged.
 *
 * Throws here, not when it runs: `InvalidTaskError` for a text that does not end its literals, mixes
 * `?` with `$1`, or has another number of placeholders than there are values; `InvalidValueError` for
 * a value that PostgreSQL cannot take as it is.
 *
 * @example
 * await zm.exec(sql('INSERT INTO feeds (id, content) VALUES (?, ?)', id, 'Hello'));
 */
export function sql(text: string, ...values: unknown[]): ContentBuilder {
  const { parameters } = statementText(text);
  if (parameters !== values.length) throw mismatch('the statement', parameters, values.length);
  return new ContentBuilder(
    text,
    values.length === 0 ? noValues : Object.freeze(checkParameters(values, 'value')),
    noClauses,
    undefined,
  );
}

/** The error of a text whose placeholders and values do not go together. */
export function mismatch(what: string, placeholders: number, values: number): InvalidTaskError {
  return new InvalidTaskError(
    `${what} has ${placeholders} placeholder${placeholders === 1 ? '' : 's'}, but ${values} value${values === 1 ? ' was' : 's were'} given`,
  );
}

function quoteAll(columns: readonly string[]): string {
  return columns.map((column) => quoteIdentifier(column)).join(', ');
}

function excluded(columns: readonly string[]): string {
  if (columns.length === 0) throw new InvalidTaskError('doUpdate needs at least one column');
  return columns
    .map((column) => {
      const quoted = quoteIdentifier(column);
      return `${quoted} = EXCLUDED.${quoted}`;
    })
    .join(', ');
}
