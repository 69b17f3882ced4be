import { cpSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The engine's tables ship inside core, where the published package can read them. */
const from = fileURLToPath(new URL('../schema', import.meta.url));
const to = fileURLToPath(new URL('../packages/core/dist/schema', import.meta.url));
rmSync(to, { recursive: true, force: true });
cpSync(from, to, { recursive: true });
