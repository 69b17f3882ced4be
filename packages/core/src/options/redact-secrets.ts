/**
 * The user and password of every URL in the text, up to the last `@` that can belong to it: a password
 * may hold an unescaped `/`, `:` or `@`. A backslash escape is taken as one character, so that the
 * expression also holds on text inside of JSON.
 */
const CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)(?:[^\s"'<>\\]|\\.)*@/gi;
/** `password=…`, as in the query of a URL or in libpq's keyword form. */
const PASSWORD = /\b(password|passwd|pwd)(=|%3d)(?:'(?:[^'\\]|\\.)*'|[^\s&"',;\\]+)/gi;

/** `text` without the user names and passwords of the URLs in it: `postgresql://***@host/db`. */
export function redactSecrets(text: string): string {
  if (!text.includes('@') && !/p(ass)?w/i.test(text)) return text;
  return text.replace(CREDENTIALS, '$1***@').replace(PASSWORD, '$1$2***');
}

/** Shorter words are too likely to be part of the text itself. */
const MIN_SECRET_LENGTH = 4;

/**
 * A function that also takes the given secrets out, wherever they stand as words of their own, plain or
 * escaped as in JSON.
 */
export function secretRedactor(secrets: readonly string[]): (text: string) => string {
  const forms = new Set<string>();
  for (const secret of secrets) {
    if (secret.length < MIN_SECRET_LENGTH) continue;
    forms.add(secret);
    forms.add(JSON.stringify(secret).slice(1, -1));
    forms.add(encodeURIComponent(secret));
  }
  if (forms.size === 0) return redactSecrets;
  const words = [...forms]
    .sort((a, b) => b.length - a.length)
    .map((form) => form.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  const pattern = new RegExp(`(?<![A-Za-z0-9_])(?:${words.join('|')})(?![A-Za-z0-9_])`, 'g');
  return (text) => redactSecrets(text).replace(pattern, '***');
}
