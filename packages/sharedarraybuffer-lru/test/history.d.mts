import type { Operation } from './linearizability.js';

export const KINDS: readonly Operation['kind'][];
export const CALL_WORDS: number;
