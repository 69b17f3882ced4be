/** The share of hits among the last reads. */
export class HitWindow {
  readonly #hits: Uint8Array;
  #sum = 0;
  reads = 0;

  constructor(size: number) {
    this.#hits = new Uint8Array(size);
  }

  add(isHit: boolean): void {
    const at = this.reads % this.#hits.length;
    this.#sum += Number(isHit) - (this.#hits[at] as number);
    this.#hits[at] = Number(isHit);
    this.reads += 1;
  }

  /** 0 until there were as many reads as the window is wide. */
  get ratio(): number {
    return this.reads < this.#hits.length ? 0 : this.#sum / this.#hits.length;
  }
}
