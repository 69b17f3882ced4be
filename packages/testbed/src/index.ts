export { freePort } from './free-port.js';
export { type PostgresServer, type PostgresServerOptions, startPostgres } from './postgres.js';
export { type RedisServer, type RedisServerOptions, startRedis } from './redis.js';
export { type RedisCluster, startRedisCluster } from './redis-cluster.js';
export { type RedisSentinel, startRedisSentinel } from './redis-sentinel.js';
export { startTcpProxy, type TcpProxy } from './tcp-proxy.js';
export { createDatabase } from './test-database.js';
