/**
 * The page and the charts in both schemes. Text has a contrast of at least 4.5 on `--card` and `--page`, marks one of
 * 3. Ours is told by more than its colour: a diamond before its name, bold text and a filled mark; others are hollow.
 */
const LIGHT = `--page:#f5f7f9;--card:#ffffff;--text:#171c26;--muted:#515a68;--line:#d9dee5;--axis:#7b8594;
--ours:#0a58ca;--other:#5f6b7a;--fill:#e3e8ee;--good:#1a6b32;--bad:#b3261e;--warn:#fff3cd;--warntext:#5c4400;
--shade:#00000021;--s1:#b3510c;--s2:#6f42c1;--s3:#0b7285;--s4:#a61e4d`;

const DARK = `--page:#0d1117;--card:#161b22;--text:#e8edf3;--muted:#a3afbd;--line:#2d3540;--axis:#8793a1;
--ours:#79b0ff;--other:#94a1b0;--fill:#2a323d;--good:#5fd07f;--bad:#ff8f87;--warn:#3b3010;--warntext:#ffe08a;
--shade:#ffffff21;--s1:#ffa657;--s2:#c9a7ff;--s3:#56d4dd;--s4:#ff9bb3`;

/** Custom properties on `root`, for the scheme that the reader has. */
export function palette(root: string): string {
  return `${root}{${LIGHT}}@media (prefers-color-scheme:dark){${root}{${DARK}}}`;
}

/** Of series that are not ours, in turn. */
export const SERIES_COLOURS = ['--s1', '--s2', '--s3', '--s4', '--other'] as const;
