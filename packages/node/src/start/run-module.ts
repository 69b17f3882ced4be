/**
 * Loads the application: top-level code, and then its default export if that is a function (which may be
 * async). It is ready when this has resolved.
 */
export async function runModule(url: string): Promise<void> {
  const module = (await import(url)) as { default?: unknown };
  if (typeof module.default === 'function') await module.default();
}
