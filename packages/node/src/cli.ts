#!/usr/bin/env node
import { Command } from 'commander';
import { addDeadLetters } from './commands/dead-letters.js';
import { addDemo } from './commands/demo.js';
import { addMigrate } from './commands/migrate.js';
import { addStart } from './commands/start.js';
import { addVerify } from './commands/verify.js';
import { addWal } from './commands/wal.js';

/** Each command is a file in `commands/` with one function that adds it. */
const program = new Command('zmsg-node').description('Launcher and operator’s tool of zmsg.');
addDeadLetters(program);
addDemo(program);
addMigrate(program);
addStart(program);
addVerify(program);
addWal(program);

try {
  await program.parseAsync();
} catch (error) {
  // The errors of zmsg are written for people and hold no secrets; a stack adds nothing to them.
  console.error(`zmsg-node: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
