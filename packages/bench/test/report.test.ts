import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { report } from '../dist/report/report.js';
import { startBrowser, type TestBrowser } from './browser.js';
import { chartsOf, poorContrast, squeezedCells, sticksOut } from './page-checks.js';
import { HOSTILE, runFixture } from './run-fixture.js';

let files: Map<string, string>;
let dir: string;

beforeAll(() => {
  files = report(runFixture());
  dir = mkdtempSync(join(tmpdir(), 'zmsg-report-'));
  for (const [name, content] of files) writeFileSync(join(dir, name), content);
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

const charts = () => [...files.keys()].filter((name) => name.endsWith('.svg'));

test('names of files are made of harmless characters, whatever the ids are', () => {
  expect(charts().length).toBeGreaterThan(10);
  for (const name of files.keys()) expect(name).toMatch(/^[a-z0-9-]+\.(svg|html)$/);
});

test('two contests with one id are two files', () => {
  const run = runFixture();
  run.suites[0]?.contests.push(...(runFixture().suites[0]?.contests ?? []));
  expect([...report(run).keys()]).toEqual(expect.arrayContaining(['reads-hit.svg', 'reads-hit-2.svg']));
});

test('a quick run says so, a long one does not', () => {
  expect(files.get('index.html')).not.toContain('A quick run.');
  expect(report({ ...runFixture(), quick: true }).get('index.html')).toContain('A quick run.');
});

test('a run without contests, or without anything, has a page too', () => {
  const { suites, ...run } = runFixture();
  const bare = suites.map(({ name, title }) => ({ name, title, contests: [] }));
  for (const few of [[], bare, suites.filter(({ name }) => name === 'hit-ratio')]) {
    expect(report({ ...run, suites: few }).get('index.html')).toContain('</html>');
  }
});

test('an axis is logarithmic, and says so, only where the values span more than an order of magnitude', () => {
  const textOf = (name: string) => files.get(name)?.replace(/<desc.*?<\/desc>|<[^>]*>/gs, '');
  expect(textOf('reads-hit.svg')).toContain('logarithmic');
  expect(textOf('reads-miss.svg')).not.toContain('logarithmic');
  expect(textOf('scale-hot.svg')).toContain('statements (logarithmic)');
  expect(textOf('scale-threads.svg')).not.toContain('logarithmic');
});

test('no NaN, no Infinity and no undefined is drawn or printed', () => {
  for (const [name, content] of files) {
    expect(content.match(/NaN|Infinity|undefined|\[object/g), name).toBeNull();
  }
});

test('the page is one file: it names no other', () => {
  const page = files.get('index.html') as string;
  const links = [...page.matchAll(/\s(?:src|href|srcset|data)="([^"]*)"/g)].map(
    ([, target]) => target as string,
  );
  expect(links.filter((target) => !target.startsWith('#'))).toEqual([]);
  expect(page).not.toMatch(/url\(|@import/);
  for (const name of charts()) expect(page).not.toContain(basename(name));
});

describe('in a browser', () => {
  let chromium: TestBrowser;
  const starting = { timeout: 120_000 };

  beforeAll(async () => {
    chromium = await startBrowser();
  }, starting.timeout);

  afterAll(() => chromium?.close());

  /** Runs `check` on a page that notes what it says and asks for. */
  async function onPage(
    file: string,
    options: { scheme: 'light' | 'dark'; width: number },
    check: (page: Page) => Promise<void>,
  ): Promise<void> {
    const page = await chromium.browser.newPage({
      viewport: { width: options.width, height: 900 },
      colorScheme: options.scheme,
    });
    try {
      const url = pathToFileURL(join(dir, file)).href;
      const said: string[] = [];
      page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`));
      page.on('pageerror', (error) => said.push(String(error)));
      page.on('dialog', (dialog) => {
        said.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      page.on('request', (request) => {
        if (request.url() !== url) said.push(`asks for ${request.url()}`);
      });
      await page.goto(url, { waitUntil: 'load' });
      await check(page);
      expect(said).toEqual([]);
    } finally {
      await page.close();
    }
  }

  describe.each([
    ['light', 1_280],
    ['light', 390],
    ['dark', 1_280],
    ['dark', 390],
  ] as const)('%s, %d pixels wide', (scheme, width) => {
    test('the page fits, can be read, and shows all charts', async () => {
      await onPage('index.html', { scheme, width }, async (page) => {
        await page.evaluate(() => {
          for (const details of document.querySelectorAll('details')) details.open = true;
        });
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
        expect(await sticksOut(page)).toEqual([]);
        expect(await poorContrast(page)).toEqual([]);
        expect(await squeezedCells(page)).toEqual([]);
        const drawn = await chartsOf(page);
        expect(drawn).toHaveLength(charts().length);
        for (const { name, marks, outside } of drawn) {
          expect(marks, `marks of ${name}`).toBeGreaterThan(0);
          expect(outside, `outside of ${name}`).toEqual([]);
        }
        const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        expect(ground).toBe(scheme === 'light' ? 'rgb(245, 247, 249)' : 'rgb(13, 17, 23)');
      });
    });
  });

  test.each(['light', 'dark'] as const)('every chart stands by itself, %s', async (scheme) => {
    for (const file of charts()) {
      await onPage(file, { scheme, width: 600 }, async (page) => {
        const [drawn] = await chartsOf(page);
        expect(drawn?.marks, file).toBeGreaterThan(0);
        expect(drawn?.outside, file).toEqual([]);
        expect(await poorContrast(page), file).toEqual([]);
      });
    }
  });

  test('a hostile name is shown as it is and becomes no element', async () => {
    await onPage('index.html', { scheme: 'light', width: 1_280 }, async (page) => {
      expect(
        await page.evaluate(() => ({
          scripts: document.scripts.length,
          images: document.images.length,
          handlers: document.querySelectorAll('[onload], [onerror]').length,
          hacked: 'hacked' in window,
          text: document.body.textContent ?? '',
        })),
      ).toEqual({
        scripts: 0,
        images: 0,
        handlers: 0,
        hacked: false,
        // The ticks of code are told by their font.
        text: expect.stringContaining(HOSTILE.replaceAll('`', '')),
      });
    });
    const hostile = charts().find((name) => name.includes('hacked')) as string;
    await onPage(hostile, { scheme: 'light', width: 600 }, async (page) => {
      expect(await page.locator('script, img, image, foreignObject, [onload], [onerror]').count()).toBe(0);
      expect(await page.locator('svg > title').textContent()).toBe(HOSTILE);
    });
  });

  test('it can be used without seeing it: language, headings of tables and rows, names of charts', async () => {
    await onPage('index.html', { scheme: 'light', width: 1_280 }, async (page) => {
      expect(await page.locator('html').getAttribute('lang')).toBe('en');
      expect(
        await page.evaluate(() => {
          const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
          const tables = [...document.querySelectorAll('table')];
          const named = (svg: Element) =>
            (svg.getAttribute('aria-labelledby') ?? '')
              .split(' ')
              .every((id) => (document.getElementById(id)?.textContent ?? '') !== '');
          return {
            twice: ids.filter((id, at) => ids.indexOf(id) !== at),
            unnamed: [...document.querySelectorAll('svg')].filter((svg) => !named(svg)).length,
            without: tables.filter(
              (table) =>
                table.caption === null ||
                table.querySelector('thead th[scope=col]') === null ||
                [...(table.tBodies[0]?.rows ?? [])].some((row) => row.cells[0]?.scope !== 'row'),
            ).length,
            tables: tables.length > 0,
          };
        }),
      ).toEqual({ twice: [], unnamed: 0, without: 0, tables: true });
    });
  });

  test('ours is told by more than its colour', async () => {
    await onPage('reads-hit.svg', { scheme: 'light', width: 600 }, async (page) => {
      const weights = await page.evaluate(() =>
        [...document.querySelectorAll('.row')].map((row) => ({
          hasDiamond: row.querySelector('path.ours-mark') !== null,
          isBold: getComputedStyle(row.querySelector('text') as Element).fontWeight === '700',
        })),
      );
      const [ours, other] = [
        { hasDiamond: true, isBold: true },
        { hasDiamond: false, isBold: false },
      ];
      expect(weights).toEqual([ours, ours, other, other]);
    });
  });

  test(
    'nothing is left of a browser that was closed',
    async () => {
      const second = await startBrowser();
      const pid = await second.pid();
      expect(isRunning(pid)).toBe(true);
      await second.close();
      expect(isRunning(pid)).toBe(false);
    },
    starting.timeout,
  );
});

function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}
