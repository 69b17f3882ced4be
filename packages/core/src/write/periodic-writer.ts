import type { Receipt, Shards, SubmitOptions, Task } from '@zmsg/workers';
import type { Session } from '../store/store.js';
import { OperandCheck } from './operand-check.js';
import { SubmitGate } from './submit-gate.js';

export interface PeriodicWriterParts {
  /** This thread's way to the shards. */
  shards: Pick<Shards, 'submit'>;
  /** Asked for the type of a column, once. */
  store: Session;
  /** Sets the Bloom bits of a key whose row may be new; awaited before the task is submitted. */
  announce: (key: string) => void | Promise<void>;
}

/** What happens to a periodic write before its shard has it, in the thread that makes it. */
export class PeriodicWriter {
  readonly #parts: PeriodicWriterParts;
  readonly #gate = new SubmitGate();
  readonly #operands: OperandCheck;

  constructor(parts: PeriodicWriterParts) {
    this.#parts = parts;
    this.#operands = new OperandCheck(parts.store);
  }

  /** Not async: a hot counter pays for no second promise. */
  submit(key: string, task: Task, options?: SubmitOptions): Promise<Receipt> {
    const { shards, announce } = this.#parts;
    const checked = this.#operands.check(task);
    const announced = mayInsert(task) ? announce(key) : undefined;
    if (checked === undefined && announced === undefined && this.#gate.isOpen) {
      return shards.submit(task, options);
    }
    return this.#gate.pass(Promise.all([checked, announced]), () => shards.submit(task, options));
  }
}

/** Whether the task can make a row that was not there. */
function mayInsert(task: Task): boolean {
  return task.kind === 'content' || task.kind === 'put' || task.orInsert !== undefined;
}
