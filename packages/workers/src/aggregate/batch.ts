import { relationOf } from './conflict.js';
import type { AggregatedGroup, Group, Target } from './group.js';

/**
 * Groups that are looked through when a new one starts. Beyond that the batch key starts afresh, with
 * everything before it closed: never wrong, and the work per group stays bounded.
 */
const MAX_GROUPS = 1024;

/** The pending groups of one batch key, in the order in which they started. */
export class Batch {
  #groups: Group[] = [];
  /** Lowest level for a group that conflicts with none of `#groups`. */
  #floor = 0;
  #highest = -1;
  #isSealed = false;

  /** The groups that started last: back to one that conflicts with everything, or all unless `isSealed`. */
  get groups(): readonly Group[] {
    return this.#groups;
  }

  get isSealed(): boolean {
    return this.#isSealed;
  }

  get last(): Group | undefined {
    return this.#groups.at(-1);
  }

  /** Where a group for this target has to stand. */
  levelFor(target: Target): number {
    let level = this.#floor;
    for (const group of this.#groups) {
      if (group.level >= level && relationOf(group, target) !== 'none') level = group.level + 1;
    }
    return level;
  }

  /** The level of a group that conflicts with everything. */
  get levelOnTop(): number {
    return this.#highest + 1;
  }

  /** Adds a group that started just now, and closes those that it conflicts with. */
  add(group: Group): void {
    const isBarrier = group.kind === 'content' || group.reach === 'all';
    for (const earlier of this.#groups) {
      if (earlier.kind === 'content' || !earlier.isOpen) continue;
      if (isBarrier || relationOf(earlier, group) === 'conflict') earlier.isOpen = false;
    }
    // What conflicts with everything stands for all before it.
    if (isBarrier) this.#groups = [];
    this.#highest = Math.max(this.#highest, group.level);
    this.#groups.push(group);
    if (this.#groups.length > MAX_GROUPS) this.#seal();
  }

  #seal(): void {
    for (const group of this.#groups) if (group.kind === 'aggregated') group.isOpen = false;
    this.#groups = [];
    this.#floor = this.#highest + 1;
    this.#isSealed = true;
  }

  /** The open group that an operation of this target belongs to. */
  find(target: Target): AggregatedGroup | undefined {
    for (let i = this.#groups.length - 1; i >= 0; i--) {
      const group = this.#groups[i] as Group;
      if (group.kind === 'content' || !group.isOpen || group.shape !== target.shape) continue;
      const isSame = group.reach === 'row' ? group.rowKey === target.rowKey : group.rawKey === target.rawKey;
      if (isSame && group.reach === target.reach) return group;
    }
    return undefined;
  }
}
