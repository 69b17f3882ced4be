export type { SharedCache, SharedCacheHandle, SharedCacheOptions, SharedCacheStats } from './shared-cache.js';
