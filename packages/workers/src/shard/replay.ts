import { RecordDecoder } from '../codec/record-decoder.js';
import type { ShapeInterner } from '../codec/shape-interner.js';
import { failpoint } from '../failpoint.js';
import type { ShardLog } from '../log/shard-log.js';
import { unitsOf } from './board.js';
import type { Inbox } from './inbox.js';
import type { Intake } from './intake.js';

export interface ReplayParts {
  readonly log: ShardLog;
  readonly intake: Intake;
  readonly interner: ShapeInterner;
  /** Of this process: what an earlier thread of it logged still stands in a ring, or did. */
  readonly run: number;
  readonly inboxes: readonly Inbox[];
}

export interface Replayed {
  readonly operations: number;
  readonly units: number;
  /** Keys of the puts among them, each once. */
  readonly puts: ReadonlySet<string>;
}

/**
 * Takes everything in the log behind `applied` into the intake, in its order. Operations of this process
 * are counted for their producers again, so that their receipts resolve.
 *
 * @throws LogError when the log begins behind `applied`, or a record cannot be decoded
 */
export function replay(applied: number, { log, intake, interner, run, inboxes }: ReplayParts): Replayed {
  let operations = 0;
  let units = 0;
  const puts = new Set<string>();
  let segment: unknown;
  const decoders = new Map<number, RecordDecoder>();
  for (const frame of log.frames(applied)) {
    if (frame.segment !== segment) decoders.clear(); // each segment defines its own shapes
    segment = frame.segment;
    let decoder = decoders.get(frame.producer);
    if (decoder === undefined) {
      decoder = new RecordDecoder(frame.producer, interner);
      decoders.set(frame.producer, decoder);
    }
    const inbox = frame.run === run ? inboxes.find((each) => each.producer === frame.producer) : undefined;
    inbox?.skipLogged(frame.ringAt, frame.taken);
    const { payload } = frame;
    let position = frame.first;
    for (let at = 0; at < payload.length; ) {
      const length = payload.readInt32LE(at);
      const decoded = decoder.decode(payload, at, at + length);
      at += (length + 3) & ~3;
      if (decoded === undefined) continue;
      if (position > applied) {
        const size = unitsOf(length);
        const count = (frame.taken - (frame.position - position)) | 0;
        intake.take(decoded, inbox, count, position, size);
        if (decoded.kind === 'put') puts.add(decoded.key);
        operations += 1;
        units += size;
      }
      position += 1;
    }
    failpoint('recovery:frame:replayed');
  }
  return { operations, units, puts };
}
