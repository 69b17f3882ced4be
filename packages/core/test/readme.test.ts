import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { optionsTable } from '../dist/options/options-table.js';

const README = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');

test('the configuration table of the README is the one that the settings generate', () => {
  expect(README).toContain(optionsTable().trim());
});
