/** What `zmsg-node demo` was asked for, validated. */
export interface DemoOptions {
  users: number;
  posts: number;
  /** Undefined: 10 s of generated load, or until the trace ends. */
  seconds: number | undefined;
  /** File of an access trace. */
  trace: string | undefined;
  /** Requests in flight. */
  concurrency: number;
  /** Exponent of Zipf's law. */
  skew: number;
  seed: number;
  /** Undefined: embedded. */
  postgres: string | undefined;
  /** Undefined: no L2. */
  redis: string | undefined;
  /** Undefined: a temporary one. */
  dataDir: string | undefined;
  /** Where to write the results for machines. */
  json: string | undefined;
}

export const DEFAULT_SECONDS = 10;
