/** What `zmsg-node start` was asked for, validated. */
export interface StartOptions {
  /** `file:` URL of the application module. */
  readonly moduleUrl: string;
  /** The application's own arguments. */
  readonly args: readonly string[];
  /** Threads, or processes. */
  readonly count: number;
  /** YAML file of the engine; undefined: the environment only. */
  readonly config: string | undefined;
  readonly stopTimeoutMs: number;
  /** Heap of each thread or process, MB; undefined: the limit of Node.js. */
  readonly memoryMb: number | undefined;
}
