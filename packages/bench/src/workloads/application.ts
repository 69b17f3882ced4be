import type { Contender } from './contender.js';
import type { Operation } from './feed-load.js';
import type { LikesLedger } from './likes-ledger.js';
import type { LoadWatch } from './load-watch.js';
import { checkWhole, likesIn, postBody, postId } from './post.js';

export interface ApplicationParts {
  contender: Contender;
  ledger: LikesLedger;
  loads: LoadWatch;
  /** Posts that exist. */
  size: number;
}

/** One read of so many is compared byte by byte; of the others the id, the length and the count are. */
const COMPARE_EVERY = 64;

/**
 * The users: they ask the contender, look at every answer, and book what was acknowledged. A wrong answer or a
 * failed call ends the run, at its end, with the first of them.
 */
export class Application {
  readonly #parts: ApplicationParts;
  readonly #ids: string[];
  #fault: Error | undefined;
  reads = 0;
  /** Reads that waited for a load from the database. */
  misses = 0;
  compared = 0;
  published = 0;

  constructor(parts: ApplicationParts) {
    this.#parts = parts;
    this.#ids = Array.from({ length: parts.size }, (_, post) => postId(post));
  }

  run(operation: Operation, onPublished: (post: number, rank: number) => void): Promise<unknown> {
    switch (operation.kind) {
      case 'read':
        return this.read(operation.post);
      case 'like':
        return this.like(operation.post);
      case 'post':
        return this.publish((post) => onPublished(post, operation.rank));
    }
  }

  /** Resolves with whether it needed no database. */
  async read(post: number): Promise<boolean> {
    const { contender, ledger, loads } = this.#parts;
    const id = this.#ids[post] as string;
    const due = ledger.due(post);
    const loaded = loads.endedOf(post);
    try {
      const text = await contender.read(id);
      this.reads += 1;
      const isHit = loads.endedOf(post) === loaded;
      if (!isHit) this.misses += 1;
      if (text === undefined) throw new Error(`${id} was not found`);
      const likes = likesIn(text, id);
      if (likes < due) throw new Error(`${id} was read with ${likes} likes, ${due} are known since long`);
      if (likes > ledger.submitted(post)) throw new Error(`${id} was read with ${likes} likes, too many`);
      if (this.reads % COMPARE_EVERY === 0) {
        checkWhole(text, id);
        this.compared += 1;
      }
      return isHit;
    } catch (error) {
      this.#fault ??= error as Error;
      return false;
    }
  }

  async like(post: number): Promise<void> {
    const { contender, ledger } = this.#parts;
    ledger.submit(post);
    try {
      await contender.like(this.#ids[post] as string);
      ledger.acknowledge(post, performance.now());
    } catch (error) {
      this.#fault ??= error as Error;
    }
  }

  async publish(onPublished: (post: number) => void): Promise<void> {
    const post = this.#ids.length;
    const id = postId(post);
    this.#ids.push(id);
    try {
      await this.#parts.contender.post(id, postBody(id));
      this.published += 1;
      onPublished(post);
    } catch (error) {
      this.#fault ??= error as Error;
    }
  }

  /** @throws the first thing that was wrong */
  throwFault(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }
}
