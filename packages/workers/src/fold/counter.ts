import type { AggregatedOperation } from '../operation.js';
import type { Operand } from '../task.js';
import {
  addDecimals,
  type Decimal,
  fitsScale,
  multiplyDecimals,
  negateDecimal,
  parseDecimal,
  ZERO,
} from './decimal.js';

/**
 * One assignment to the column. What is between two steps is rounded to the column's type.
 *
 * | op | x becomes                  | operands     |
 * | -- | -------------------------- | ------------ |
 * | =  | term                       | term         |
 * | +  | x + term                   | term         |
 * | -  | x - term (floats: -0 - 0)  | term         |
 * | *  | x · factor                 | factor       |
 * | a  | x · factor + term          | factor, term |
 */
export interface Step {
  readonly op: '=' | '+' | '-' | '*' | 'a';
  readonly operands: readonly Decimal[];
}

/**
 * Digits behind the point that a column keeps: 0 for integers, s for `numeric(p,s)` (may be negative),
 * `Infinity` for `numeric`. Undefined for types whose arithmetic is not that of decimals (floats).
 */
export type ColumnScale = number | undefined;

/** A longer sequence nests too deep for one expression; the group is full and a new one begins. */
const MAX_STEPS = 100;
/** Digits of the factors in one step. More are not multiplied out, which would cost their square. */
const MAX_FACTOR_DIGITS = 1000;

/**
 * Folds counter operations into the affine map x → a·x + b, or, where composing would round
 * differently from running them one by one, into a sequence of such maps.
 *
 * A step may be composed with what follows as long as its own result needs no rounding: then the
 * composed step rounds once, at the end, exactly where the last operation would.
 */
export class CounterFold {
  readonly #scale: ColumnScale;
  /** Whole increments need no rounding: they are added up as plain numbers until something else comes. */
  readonly #isSimple: boolean;
  #delta = 0;
  #steps: Step[] | undefined;
  #factorDigits = 0;

  constructor(scale: ColumnScale) {
    this.#scale = scale;
    this.#isSimple = scale !== undefined && scale >= 0;
  }

  /** False if the group is full: nothing was folded. Throws `InvalidTaskError` for a bad operand. */
  add({ op, operand }: Pick<AggregatedOperation, 'op' | 'operand'>): boolean {
    if (this.#isSimple && this.#steps === undefined && typeof operand === 'number') {
      if (op === 'inc' || op === 'dec') {
        const delta = op === 'inc' ? this.#delta + operand : this.#delta - operand;
        if (Number.isSafeInteger(operand) && Number.isSafeInteger(delta)) {
          this.#delta = delta;
          return true;
        }
      }
    }
    return this.#addStep(op, operand);
  }

  /** At least one, unless nothing was folded. */
  get steps(): readonly Step[] {
    return this.#steps ?? [{ op: '+', operands: [parseDecimal(this.#delta)] }];
  }

  #addStep(op: AggregatedOperation['op'], operand: Operand | undefined): boolean {
    const n = op === 'clean' ? ZERO : parseDecimal(operand as Operand);
    if (op === 'set' || op === 'clean') {
      this.#steps = [{ op: '=', operands: [n] }];
      this.#factorDigits = 0;
      return true;
    }
    this.#steps ??= this.#delta === 0 ? [] : [{ op: '+', operands: [parseDecimal(this.#delta)] }];
    const steps = this.#steps;
    const last = steps.at(-1);
    const step = this.#stepOf(op, n);
    const digits = op === 'mul' ? n.mantissa.toString().length : 0;
    if (last !== undefined && this.#isExact(last) && this.#factorDigits + digits <= MAX_FACTOR_DIGITS) {
      steps[steps.length - 1] = compose(last, step);
      this.#factorDigits += digits;
      return true;
    }
    if (steps.length >= MAX_STEPS) return false;
    steps.push(step);
    this.#factorDigits = digits;
    return true;
  }

  #stepOf(op: AggregatedOperation['op'], n: Decimal): Step {
    if (op === 'mul') return { op: '*', operands: [n] };
    if (op === 'inc') return { op: '+', operands: [n] };
    if (this.#scale === undefined) return { op: '-', operands: [n] };
    return { op: '+', operands: [negateDecimal(n)] };
  }

  /** Whether the column holds the step's result without rounding, whatever it held before. */
  #isExact({ op, operands }: Step): boolean {
    const scale = this.#scale;
    if (scale === undefined) return false;
    if (scale === Number.POSITIVE_INFINITY) return true;
    const factor = op === '*' || op === 'a' ? operands[0] : undefined;
    const term = op === '*' ? undefined : operands.at(-1);
    return (factor === undefined || fitsScale(factor, 0)) && (term === undefined || fitsScale(term, scale));
  }
}

/** The step that does `first`, then `next`, which is an increment or a multiplication. */
function compose(first: Step, next: Step): Step {
  const n = next.operands[0] as Decimal;
  const a = first.operands[0] as Decimal;
  const b = first.operands[1] as Decimal;
  if (next.op === '+') {
    if (first.op === '*') return { op: 'a', operands: [a, n] };
    if (first.op === 'a') return { op: 'a', operands: [a, addDecimals(b, n)] };
    return { op: first.op, operands: [addDecimals(a, n)] };
  }
  if (first.op === '+') return { op: 'a', operands: [n, multiplyDecimals(a, n)] };
  if (first.op === 'a') return { op: 'a', operands: [multiplyDecimals(a, n), multiplyDecimals(b, n)] };
  return { op: first.op, operands: [multiplyDecimals(a, n)] };
}
