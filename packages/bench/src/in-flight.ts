/** Carries out `count` calls with `width` of them in flight. */
export async function inFlight(
  count: number,
  width: number,
  call: (n: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const n = next++;
      await call(n);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, worker));
}
