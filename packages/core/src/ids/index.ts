export type { IdHandle } from './id-cell.js';
export { IdGenerator, type IdGeneratorOptions } from './id-generator.js';
export type { LeaseEvent } from './lease-keeper.js';
