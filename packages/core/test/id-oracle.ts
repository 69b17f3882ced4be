/** One holder's time with a node id, on a clock that all holders share. */
export interface Tenure {
  node: number;
  from: bigint;
  /** Undefined: until the end. */
  to: bigint | undefined;
}

/**
 * What must hold of all ids of one database, whoever made them: none is there twice, and no node id
 * has two holders at a time.
 */
export class IdOracle {
  readonly #issued: { by: string; ids: BigInt64Array }[] = [];
  readonly #tenures: (Tenure & { by: string })[] = [];

  issued(by: string, ids: Iterable<string | bigint> | BigInt64Array): void {
    this.#issued.push({ by, ids: ids instanceof BigInt64Array ? ids : numbers(ids) });
  }

  held(by: string, tenure: Tenure): void {
    this.#tenures.push({ by, ...tenure });
  }

  get count(): number {
    return this.#issued.reduce((sum, { ids }) => sum + ids.length, 0);
  }

  /** @throws Error that names the first id that is there twice, and who made it. */
  check(): void {
    const all = new BigInt64Array(this.count);
    let at = 0;
    for (const { ids } of this.#issued) {
      all.set(ids, at);
      at += ids.length;
    }
    all.sort();
    for (let n = 1; n < all.length; n++)
      if (all[n] === all[n - 1]) throw new Error(`${all[n]} twice, by ${this.#makers(all[n] as bigint)}`);
    const tenures = this.#tenures.toSorted((a, b) => a.node - b.node || (a.from < b.from ? -1 : 1));
    for (const [n, tenure] of tenures.entries()) {
      const next = tenures[n + 1];
      if (next?.node === tenure.node && (tenure.to === undefined || tenure.to > next.from))
        throw new Error(`node id ${tenure.node} was held by ${tenure.by} and ${next.by} at once`);
    }
  }

  #makers(id: bigint): string {
    return this.#issued
      .filter(({ ids }) => ids.includes(id))
      .map(({ by }) => by)
      .join(' and ');
  }
}

function numbers(ids: Iterable<string | bigint>): BigInt64Array {
  return BigInt64Array.from(ids, (id) =>
    BigInt(typeof id === 'string' ? id.slice(id.lastIndexOf('_') + 1) : id),
  );
}
