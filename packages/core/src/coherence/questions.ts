import type { Body, Message } from './message.js';

/** Eight bytes that tell a value from another one; undefined: L1 does not have the key. */
export type DigestOf = (key: string) => Buffer | undefined;

interface Question {
  readonly keys: readonly string[];
  readonly awaited: number;
  readonly answers: Map<string, Map<string, Buffer | undefined>>;
  readonly done: () => void;
}

/** Keys of one question. */
const MAX_KEYS = 1_000;

/** Asks all other nodes what their L1 have of some keys, and answers them. */
export class Questions {
  readonly #instance: string;
  readonly #digestOf: DigestOf;
  readonly #tell: (body: Body) => Promise<boolean>;
  readonly #open = new Map<number, Question>();
  #last = 0;

  constructor(instance: string, digestOf: DigestOf, tell: (body: Body) => Promise<boolean>) {
    this.#instance = instance;
    this.#digestOf = digestOf;
    this.#tell = tell;
  }

  /** Resolves when `awaited` nodes have answered, or the time is over. @throws RangeError for too many keys */
  async ask(
    keys: readonly string[],
    awaited: number,
    timeoutMs: number,
  ): Promise<Map<string, Map<string, Buffer | undefined>>> {
    if (keys.length > MAX_KEYS) throw new RangeError(`at most ${MAX_KEYS} keys can be asked for at once`);
    const answers = new Map<string, Map<string, Buffer | undefined>>();
    if (awaited === 0) return answers;
    const question = ++this.#last % 2 ** 32;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#open.set(question, { keys, awaited, answers, done });
      void this.#tell({ kind: 'ask', question, keys });
    });
    this.#open.delete(question);
    return answers;
  }

  receive(message: Message): void {
    if (message.kind === 'ask') {
      const digests = message.keys.slice(0, MAX_KEYS).map((key) => this.#digestOf(key));
      // A lost answer is a node that did not answer; who asked goes on after its time.
      void this.#tell({ kind: 'answer', to: message.instance, question: message.question, digests });
      return;
    }
    if (message.kind !== 'answer' || message.to !== this.#instance) return;
    const question = this.#open.get(message.question);
    if (question === undefined || message.digests.length !== question.keys.length) return;
    const byKey = new Map(question.keys.map((key, at) => [key, message.digests[at]]));
    question.answers.set(message.instance, byKey);
    if (question.answers.size >= question.awaited) question.done();
  }
}
