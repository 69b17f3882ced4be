/** How the values of one key are read: from the text of an environment variable, and from YAML or an object. */
export interface Reader<T> {
  /** What is allowed, as a noun phrase: `a whole number from 1 to 256`. */
  readonly allowed: string;
  /** The value that YAML would have had for this text. */
  fromText(text: string): unknown;
  /** The value as the engine takes it, or `undefined` if it is not allowed. */
  read(value: unknown): T | undefined;
}

/** One key: the single source of its parsing, its validation and its line in the documentation. */
export interface Setting<T> {
  readonly reader: Reader<T>;
  /** As it would be written in YAML; undefined: absent unless given, or derived from other keys. */
  readonly default: string | number | boolean | undefined;
  /** Said in the documentation in place of a default that is not a constant. */
  readonly defaultNote?: string;
  /** One line for the documentation. */
  readonly doc: string;
  /** Its value is never shown, not even in an error. */
  readonly secret?: boolean;
  /** Known, but of no effect in this version: giving it is an error that says so. */
  readonly unavailable?: string;
}

/** `batchInterval` → `batch_interval`. */
export function toSnakeCase(name: string): string {
  return name.replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
