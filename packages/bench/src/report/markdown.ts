import { plainText } from './markup.js';

/** Any text as a cell of a Markdown table that is shown as it is, whatever it holds. */
export function escapeMarkdown(text: string): string {
  return plainText(text)
    .replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)
    .replace(/[\\`*_[\]|~$]/g, (character) => `\\${character}`)
    .replace(/\s+/g, ' ');
}
