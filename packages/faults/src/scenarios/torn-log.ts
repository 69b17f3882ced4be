import { readdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { Scenario } from '../scenario.js';

/** How far before the end of what was written the cut may be. */
const TAIL_BYTES = 8_192;

/**
 * After a kill the newest segment is cut somewhere in its tail, as a disk might that lost power. The
 * engine opens, or refuses and names the file: what was acknowledged and not committed may be gone then, but
 * nothing is applied twice, and nothing that was never submitted.
 */
export const tornLog: Scenario = {
  name: 'torn-log',
  title: 'the log is cut at a random offset of its tail',
  cycles: 5,
  async cycle(arena) {
    const process = arena.launch();
    await process.opened;
    await arena.pause(arena.between(200, 800));
    await arena.kill(process);
    process.kept = 'applied';
    const segment = newestSegment(join(arena.dataDir('a'), 'wal'));
    if (segment === undefined) return;
    const end = contentEnd(segment);
    truncateSync(segment, Math.max(0, end - arena.between(1, Math.min(TAIL_BYTES, end))));
    arena.fault('logs cut');
    const recovery = arena.launch({ rate: 0 });
    await recovery.ended;
    const [failure] = recovery.ledger.failures;
    if (failure === undefined) return;
    if (!failure.startsWith('open LOG') || !failure.includes(segment)) return; // a fault; it is reported as one
    recovery.mayFail = true;
    arena.fault('refused to open');
    arena.abandon('a');
  },
};

function newestSegment(dir: string): string | undefined {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.json'))
    .map((entry) => join(entry.parentPath, entry.name));
  const byAge = files.map((file) => ({ file, at: statSync(file).mtimeMs })).sort((a, b) => b.at - a.at);
  return byAge[0]?.file;
}

/** Segments are made at full size, of zeros. */
function contentEnd(file: string): number {
  const bytes = readFileSync(file);
  let end = bytes.byteLength;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return end;
}
