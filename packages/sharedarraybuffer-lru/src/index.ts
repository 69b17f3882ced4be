import './fast-strings.js';

export type {
  SharedCache,
  SharedCacheAttachOptions,
  SharedCacheEntryOptions,
  SharedCacheHandle,
  SharedCacheOptions,
  SharedCacheStats,
} from './shared-cache.js';
export { SharedLRU } from './shared-lru.js';
