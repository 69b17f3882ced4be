import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A directory for the run's own files that goes when the process goes, also at a second Ctrl-C. What
 * kill -9 leaves behind is the system's to clean, and no later run looks at it.
 */
export class ScratchDir {
  readonly path = mkdtempSync(join(tmpdir(), 'zmsg-demo-'));

  constructor() {
    process.once('exit', this.remove);
  }

  readonly remove = (): void => {
    process.off('exit', this.remove);
    rmSync(this.path, { recursive: true, force: true });
  };
}
