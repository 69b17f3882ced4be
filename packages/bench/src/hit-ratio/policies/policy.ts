/** A cache of a fixed number of entries of equal size, reduced to the question who stays. */
export interface Policy {
  /** One access by a key below the number of distinct keys: true for a hit; a miss brings the key in. */
  access(key: number): boolean;
}

/** @param keys distinct keys of the load, @param room entries that fit */
export type PolicyMaker = new (keys: number, room: number) => Policy;
