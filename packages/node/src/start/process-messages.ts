/** What the primary tells a process of `--cluster` when it starts it, as the one argument. */
export interface ProcessData {
  readonly moduleUrl: string;
  readonly args: readonly string[];
  readonly number: number;
  readonly count: number;
  readonly config: string | undefined;
  /** For the application; the engine has its own `shutdown_timeout` after that. */
  readonly stopTimeoutMs: number;
}

/** Errors cross the border as text. */
export interface ErrorText {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
}

export type FromProcess =
  /** `listening`: to messages; what was sent before is lost. */
  | { readonly type: 'listening' | 'ready' | 'stopped' }
  | { readonly type: 'stop failed' | 'crashed'; readonly error: ErrorText };

export interface ToProcess {
  readonly type: 'stop';
}

export function errorText(error: unknown): ErrorText {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined };
  return { name: error.name, message: error.message, stack: error.stack };
}

export function errorOf({ name, message, stack }: ErrorText): Error {
  const error = new Error(message);
  error.name = name;
  error.stack = stack ?? `${name}: ${message}`;
  return error;
}
