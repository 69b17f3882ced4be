export type Style = 'bold' | 'dim' | 'green' | 'red' | 'cyan';

const CODES: Record<Style, [on: number, off: number]> = {
  bold: [1, 22],
  dim: [2, 22],
  green: [32, 39],
  red: [31, 39],
  cyan: [36, 39],
};

export type Paint = (style: Style, text: string) => string;

/** Colours on a terminal, unless `NO_COLOR` is set (https://no-color.org) or the terminal has none. */
export function paintFor(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): Paint {
  const noColor = env.NO_COLOR;
  const isColored = stream.isTTY === true && (noColor === undefined || noColor === '') && env.TERM !== 'dumb';
  if (!isColored) return (_style, text) => text;
  return (style, text) => {
    const [on, off] = CODES[style];
    return `\x1b[${on}m${text}\x1b[${off}m`;
  };
}
