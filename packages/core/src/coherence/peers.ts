interface Peer {
  /** Number of the last message seen; undefined: nothing was heard since the link was (re)made. */
  sequence: number | undefined;
  heardMs: number;
  owes: boolean;
}

/**
 * What this node has heard of the others, and what it must have missed. A peer is known from its first
 * message, or from the list of members, until it says goodbye or is known to be dead.
 */
export class Peers {
  readonly #silentMs: number;
  readonly #peers = new Map<string, Peer>();

  constructor(silentMs: number) {
    this.#silentMs = silentMs;
  }

  get count(): number {
    return this.#peers.size;
  }

  has(instance: string): boolean {
    return this.#peers.has(instance);
  }

  /** A member that must be heard of. */
  expect(instance: string, nowMs: number): void {
    if (this.#peers.has(instance)) return;
    this.#peers.set(instance, { sequence: undefined, heardMs: nowMs, owes: false });
  }

  /**
   * A message came; `isNumbered`: its number is its own, else the last one that its sender used. True:
   * messages between the last one and this were missed. What comes twice or late was missed once, or not
   * at all. `isBaseline`: what was before does not count.
   */
  receive(
    instance: string,
    sequence: number,
    isNumbered: boolean,
    nowMs: number,
    isBaseline: boolean,
  ): boolean {
    let peer = this.#peers.get(instance);
    if (peer === undefined) {
      // A node that we did not know of: what it sent before this one is missing.
      peer = { sequence: isBaseline ? undefined : 0, heardMs: nowMs, owes: false };
      this.#peers.set(instance, peer);
    }
    peer.heardMs = nowMs;
    const last = peer.sequence;
    if (last === undefined) {
      peer.sequence = sequence;
      // Expected, and not heard while we listened: from its first message on nothing may be missing.
      return !isBaseline && sequence > (isNumbered ? 1 : 0);
    }
    if (sequence <= last) return false;
    peer.sequence = sequence;
    return sequence > last + (isNumbered ? 1 : 0);
  }

  owes(instance: string, owes: boolean): void {
    const peer = this.#peers.get(instance);
    if (peer !== undefined) peer.owes = owes;
  }

  leave(instance: string): void {
    this.#peers.delete(instance);
  }

  /** The link was lost: each peer must be heard again. */
  startAgain(nowMs: number): void {
    for (const peer of this.#peers.values()) {
      peer.sequence = undefined;
      peer.heardMs = nowMs;
    }
  }

  /** Those that may be writing what we do not hear of. `isBaseline`: each must have been heard by now. */
  suspects(nowMs: number, isBaseline: boolean): string[] {
    const suspects: string[] = [];
    for (const [instance, peer] of this.#peers) {
      const isSilent = nowMs - peer.heardMs > this.#silentMs || (isBaseline && peer.sequence === undefined);
      if (isSilent || peer.owes) suspects.push(instance);
    }
    return suspects;
  }
}
