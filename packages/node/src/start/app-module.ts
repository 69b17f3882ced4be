import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LaunchError } from './launch-error.js';

/**
 * `file:` URL of an application module.
 * @param path Relative to the working directory.
 * @throws LaunchError `APP_NOT_FOUND`
 */
export function appModuleUrl(path: string): string {
  const file = resolve(path);
  let what: string | undefined;
  try {
    if (!statSync(file).isFile()) what = 'it is not a file';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    what = code === 'ENOENT' ? 'there is no such file' : (error as Error).message;
  }
  if (what !== undefined) throw new LaunchError('APP_NOT_FOUND', `application module ${file}: ${what}`);
  return pathToFileURL(file).href;
}
