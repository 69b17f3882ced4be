import { type DestinationStream, destination as fileDestination, type Logger, pino } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { secretRedactor } from './options/redact-secrets.js';
import type { ResolvedOptions } from './options/resolved.js';

export interface LoggerOptions {
  /** Lines below it are not written. */
  level: ResolvedOptions['logLevel'];
  /** `json`: one object per line, for machines; `text`: for people. */
  format: ResolvedOptions['logFormat'];
  /** Passwords that must not appear in any line, wherever they come from. See `secretsOf`. */
  secrets?: readonly string[];
  /** Where lines go. @default stderr, so that the output of a program stays its own */
  destination?: DestinationStream;
}

const STDERR = 2;
const MAX_CAUSES = 8;

/**
 * Writes are synchronous and in this thread: the last line before a crash is there, and no thread or
 * handle keeps the process alive. Passwords are taken out of the finished line, so nothing that is
 * logged (a message, a stack, a field of any depth) can carry one.
 */
export function createLogger(options: LoggerOptions): Logger {
  const output = options.destination ?? fileDestination({ dest: STDERR, sync: true });
  const colorize = options.destination === undefined && process.stderr.isTTY === true;
  return pino(
    {
      level: options.level,
      base: { pid: process.pid },
      serializers: { err: serializeError, error: serializeError },
      hooks: { streamWrite: secretRedactor(options.secrets ?? []) },
    },
    options.format === 'json' ? output : textStream(output, colorize),
  );
}

/** pino-pretty as a plain function: as a stream it would hand lines on later than they were logged. */
function textStream(output: DestinationStream, colorize: boolean): DestinationStream {
  const format = prettyFactory({ colorize, translateTime: 'SYS:yyyy-mm-dd HH:MM:ss.l', ignore: 'pid' });
  return {
    write(line: string): void {
      output.write(format(line));
    },
  };
}

/**
 * The fields of an error that say something. Not every enumerable one, as pino would: the replies of
 * ioredis carry their command, and with it the arguments of AUTH.
 */
function serializeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  const { code, cause, errors } = error as Error & { code?: unknown; errors?: unknown };
  const serialized: Record<string, unknown> = {
    type: error.name,
    message: error.message,
    stack: error.stack,
  };
  for (const [name, value] of Object.entries({ code, ...fieldsOf(error) })) {
    if (typeof value === 'string' || typeof value === 'number') serialized[name] = value;
  }
  if (depth >= MAX_CAUSES) return serialized;
  if (cause !== undefined) serialized.cause = serializeError(cause, depth + 1);
  if (Array.isArray(errors)) {
    serialized.errors = errors.slice(0, MAX_CAUSES).map((each) => serializeError(each, depth + 1));
  }
  return serialized;
}

const FIELDS = ['sqlState', 'key', 'file', 'shard', 'syscall', 'address', 'port', 'detail', 'hint', 'table'];

function fieldsOf(error: Error): Record<string, unknown> {
  const fields = error as unknown as Record<string, unknown>;
  return Object.fromEntries(FIELDS.map((name) => [name, fields[name]]));
}
