const WORDS =
  'coffee harbour winter lights train morning garden bread river concert window bicycle paper mountain rain story'.split(
    ' ',
  );

/** What post number `post` says: the same each time, so that a read can be compared with it. */
export function postText(post: number): string {
  let text = `Post ${post}:`;
  let state = (post + 1) * 2654435761;
  for (let i = 0; i < 16; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += ` ${WORDS[state >>> 28]}`;
  }
  return text;
}
