/** What was asked of a counter per row, by the row's number. */
export class CounterLedger {
  readonly #submitted: number[] = [];
  readonly #acknowledged: number[] = [];
  submittedTotal = 0;
  acknowledgedTotal = 0;

  get rows(): number {
    return this.#submitted.length;
  }

  addRows(count: number): void {
    for (let i = 0; i < count; i += 1) {
      this.#submitted.push(0);
      this.#acknowledged.push(0);
    }
  }

  submit(row: number): void {
    this.#submitted[row] = this.submitted(row) + 1;
    this.submittedTotal += 1;
  }

  acknowledge(row: number): void {
    this.#acknowledged[row] = this.acknowledged(row) + 1;
    this.acknowledgedTotal += 1;
  }

  submitted(row: number): number {
    return this.#submitted[row] ?? 0;
  }

  acknowledged(row: number): number {
    return this.#acknowledged[row] ?? 0;
  }
}
