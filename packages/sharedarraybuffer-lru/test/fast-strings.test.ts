import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

/** Asks V8 itself; in a text, because no other tool takes its `%` for JavaScript. */
const SCRIPT = `
  const [module] = process.argv.slice(1);
  if (module !== undefined) await import(module);
  function sum(text) {
    let total = 0;
    for (let i = 0; i < text.length; i += 1) total += text.charCodeAt(i);
    return total;
  }
  %PrepareFunctionForOptimization(sum);
  for (let n = 0; n < 100; n += 1) sum('text ' + n);
  %OptimizeFunctionOnNextCall(sum);
  sum('text');
  const before = %GetOptimizationStatus(sum);
  class Text extends String {}
  sum('text');
  console.log(before === %GetOptimizationStatus(sum) ? 'kept' : 'thrown away');
`;

function compiledCode(...args: string[]): string {
  const options = ['--allow-natives-syntax', '--input-type=module', '-e', SCRIPT];
  return execFileSync(process.execPath, [...options, ...args], { encoding: 'utf8' });
}

test('a class that extends String costs no compiled code once the cache is imported', () => {
  // If it does not without the cache, V8 has changed, and fast-strings.ts can go.
  expect(compiledCode()).toBe('thrown away\n');
  expect(compiledCode(new URL('../dist/index.js', import.meta.url).href)).toBe('kept\n');
});
