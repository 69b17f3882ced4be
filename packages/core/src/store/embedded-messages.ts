/** What the embedded database's thread is started with. */
export interface EmbeddedWorkerData {
  readonly dir: string;
  /** 0: any free one. */
  readonly port: number;
  readonly password: string;
  readonly maxConnections: number;
  readonly idleInTransactionMs: number;
}

/** From the thread. */
export type EmbeddedReport =
  | { type: 'ready'; port: number }
  | { type: 'failed'; message: string }
  | { type: 'closed' };

/** To the thread. */
export type EmbeddedCommand = { type: 'close' };
