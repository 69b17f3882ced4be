import type { Store } from '../store/store.js';

export interface Member {
  /** Hexadecimal. */
  readonly instance: string;
  /** False: it did not renew its row in time; it is dead, or cut off from PostgreSQL, too. */
  readonly isAlive: boolean;
  /** Redis may have old values of what it wrote. */
  readonly owes: boolean;
}

const RENEW = `
  INSERT INTO zmsg_members (instance, fleet, alive_until, owes)
  VALUES ($1, $2, now() + $3::double precision * interval '1 millisecond', $4)
  ON CONFLICT (instance) DO UPDATE SET alive_until = EXCLUDED.alive_until, owes = EXCLUDED.owes`;
const LIST = `
  SELECT instance, alive_until > now() AS alive, owes FROM zmsg_members WHERE fleet = $1 AND instance <> $2`;
const LEAVE = 'DELETE FROM zmsg_members WHERE instance = $1';
const BURY = 'DELETE FROM zmsg_members WHERE instance = ANY($1) AND alive_until <= now()';

/**
 * The nodes that share a Redis, as PostgreSQL knows them: what tells a node that Redis cannot hear from
 * one that is not there. Who can write to the database can keep a row in it.
 */
export class Members {
  readonly #store: Store;
  readonly #instance: string;
  readonly #fleet: string;
  readonly #ttlMs: number;

  constructor(store: Store, instance: string, fleet: string, ttlMs: number) {
    this.#store = store;
    this.#instance = instance;
    this.#fleet = fleet;
    this.#ttlMs = ttlMs;
  }

  /** Enters this node, or tells that it is alive. @throws StoreError */
  async renew(owes: boolean): Promise<void> {
    await this.#store.exec(RENEW, [this.#instance, this.#fleet, this.#ttlMs, owes]);
  }

  /** The others. @throws StoreError */
  async list(): Promise<Member[]> {
    const { rows } = await this.#store.exec<{ instance: string; alive: boolean; owes: boolean }>(LIST, [
      this.#fleet,
      this.#instance,
    ]);
    return rows.map(({ instance, alive, owes }) => ({ instance, isAlive: alive, owes }));
  }

  /** Removes rows of the dead; one that came back meanwhile keeps its own. @throws StoreError */
  async bury(instances: readonly string[]): Promise<void> {
    await this.#store.exec(BURY, [instances]);
  }

  /** @throws StoreError */
  async leave(): Promise<void> {
    await this.#store.exec(LEAVE, [this.#instance]);
  }
}
