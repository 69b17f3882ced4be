export type {
  DeadLetter,
  DeadLetterDetails,
  DeadLettersView,
  ListOptions,
  RetryOutcome,
} from './dead-letter.js';
export { type StandaloneOptions, withDeadLetters } from './with-dead-letters.js';
