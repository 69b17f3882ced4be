/** A strong write of this node under way. */
export interface Intent {
  readonly key: string;
  /** When it began, `performance.now`. */
  readonly sinceMs: number;
  /** Another node has told of a write of the key meanwhile, or may have: nobody here knows which is newer. */
  isOvertaken: boolean;
}

/**
 * Strong writes under way, by key. Another node's write may commit after ours and be told of before ours has
 * its answer: what we then put into L1 would be old, and stay.
 */
export class Intents {
  readonly #intents = new Map<string, Set<Intent>>();

  open(key: string): Intent {
    const intent = { key, sinceMs: performance.now(), isOvertaken: false };
    const beside = this.#intents.get(key);
    if (beside === undefined) this.#intents.set(key, new Set([intent]));
    else beside.add(intent);
    return intent;
  }

  close(intent: Intent): void {
    const beside = this.#intents.get(intent.key);
    beside?.delete(intent);
    if (beside?.size === 0) this.#intents.delete(intent.key);
  }

  overtake(key: string): void {
    for (const intent of this.#intents.get(key) ?? []) intent.isOvertaken = true;
  }

  overtakeAll(): void {
    for (const key of this.#intents.keys()) this.overtake(key);
  }
}
