/**
 * Amounts by item. An item is a counter (`c7`: the likes of row 7) or something that exists once
 * (`s3.44`: a slice element, the 44th operation of run 3); the latter has the amount 1.
 */
export class Tally extends Map<string, number> {
  add(item: string, amount = 1): void {
    this.set(item, (this.get(item) ?? 0) + amount);
  }

  addAll(other: Iterable<readonly [string, number]>): void {
    for (const [item, amount] of other) this.add(item, amount);
  }

  amountOf(item: string): number {
    return this.get(item) ?? 0;
  }

  /** `c7+12 s3.44 …`, an amount of 1 left out. */
  format(): string {
    let text = '';
    for (const [item, amount] of this) text += amount === 1 ? ` ${item}` : ` ${item}+${amount}`;
    return text.slice(1);
  }

  /** Adds what `format` wrote. */
  addText(text: string): void {
    for (const part of text.split(' ')) {
      const plus = part.indexOf('+');
      if (plus < 0) this.add(part);
      else this.add(part.slice(0, plus), Number(part.slice(plus + 1)));
    }
  }
}
