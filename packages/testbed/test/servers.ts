import type { TestProject } from 'vitest/node';
import { startPostgres, startRedis } from '../dist/index.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Connection string of the test run's PostgreSQL; create a database per test file. */
    postgresPort: number;
    /** `host:port` of the test run's Redis; use a `cachePrefix` of your own. */
    redisAddr: string;
  }
}

/** One PostgreSQL and one Redis for the whole run. Tests that stop servers start their own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [postgres, redis] = await Promise.all([startPostgres({ settings: ['fsync=off'] }), startRedis()]);
  project.provide('postgresPort', postgres.port);
  project.provide('redisAddr', redis.addr);
  return async () => {
    await Promise.all([postgres.destroy(), redis.destroy()]);
  };
}
