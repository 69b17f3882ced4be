const NAME = /^(\d{8,})-[0-9a-f]{8}\.seg$/;

/** A segment's file is named by its place in the order, and its salt: no name is used twice. */
export function segmentName(sequence: number, salt: number): string {
  return `${String(sequence).padStart(8, '0')}-${salt.toString(16).padStart(8, '0')}.seg`;
}

/** The place in the order that the name tells; undefined if it is not the name of a segment. */
export function sequenceOf(name: string): number | undefined {
  const match = NAME.exec(name);
  return match === null ? undefined : Number(match[1]);
}

/** A segment that is being made; left behind if the process died over it. */
export const TEMPORARY = '.tmp';
/** What an operator cut off. */
export const CUT = '.cut';
