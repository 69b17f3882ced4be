export { freePort } from './free-port.js';
export { type PostgresServer, type PostgresServerOptions, startPostgres } from './postgres.js';
export { type RedisServer, type RedisServerOptions, startRedis } from './redis.js';
export { createDatabase } from './test-database.js';
