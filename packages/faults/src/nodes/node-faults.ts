import type { Fleet } from './fleet.js';

export interface NodeFault {
  readonly name: string;
  /** Faults of one lane come one after the other, those of different lanes at any moment. */
  readonly lane: 'servers' | 'links' | 'nodes';
  readonly title: string;
  /** Resolves when nothing is broken any more. */
  run(fleet: Fleet): Promise<void>;
}

/** Beyond the time after which silence is doubt, and below. */
const BRIEF: readonly [number, number] = [300, 1_500];
const LONG: readonly [number, number] = [2_500, 6_000];

function lasting(fleet: Fleet): number {
  return fleet.between(...(fleet.random.below(2) === 0 ? BRIEF : LONG));
}

export const NODE_FAULTS: readonly NodeFault[] = [
  {
    name: 'redis-kill',
    lane: 'servers',
    title: 'Redis is killed and comes back empty',
    async run(fleet) {
      const server = fleet.oneOf(fleet.redis.servers);
      await server.stop('SIGKILL');
      await fleet.pause(fleet.between(0, 3_000));
      await fleet.redis.start(server);
    },
  },
  {
    name: 'redis-restart',
    lane: 'servers',
    title: 'Redis is shut down and comes back with its data',
    async run(fleet) {
      const server = fleet.oneOf(fleet.redis.servers);
      await fleet.redis.shutDown(server);
      await fleet.pause(fleet.between(0, 3_000));
      await fleet.redis.start(server);
    },
  },
  {
    name: 'redis-rollback',
    lane: 'servers',
    title: 'Redis is killed and comes back as it was seconds before',
    async run(fleet) {
      const server = fleet.oneOf(fleet.redis.servers);
      await fleet.redis.save(server);
      await fleet.pause(fleet.between(500, 4_000));
      await server.stop('SIGKILL');
      await fleet.pause(fleet.between(0, 1_000));
      await fleet.redis.start(server);
    },
  },
  {
    name: 'redis-pause',
    lane: 'servers',
    title: 'Redis stands still',
    async run(fleet) {
      const server = fleet.oneOf(fleet.redis.servers);
      server.pause();
      await fleet.pause(lasting(fleet)).finally(() => server.resume());
    },
  },
  {
    name: 'postgres-restart',
    lane: 'servers',
    title: 'PostgreSQL crashes and comes back',
    async run(fleet) {
      await fleet.postgres.stop('immediate');
      await fleet.pause(fleet.between(0, 1_500));
      await fleet.postgres.start();
    },
  },
  {
    name: 'link-reset',
    lane: 'links',
    title: 'some connections between a node and Redis are reset',
    async run(fleet) {
      const link = fleet.oneOf(fleet.redis.links);
      for (let left = fleet.between(1, 4); left > 0; left -= 1) {
        link.reset(0.4);
        await fleet.pause(fleet.between(20, 300));
      }
    },
  },
  {
    name: 'link-stall',
    lane: 'links',
    title: 'a node and Redis have half-open connections',
    async run(fleet) {
      const link = fleet.oneOf(fleet.redis.links);
      link.stall();
      await fleet.pause(lasting(fleet));
      // What was sent meanwhile comes late, or never.
      if (fleet.random.below(2) === 0) link.reset();
      link.resume();
    },
  },
  {
    name: 'link-cut',
    lane: 'links',
    title: 'a node cannot reach Redis',
    async run(fleet) {
      const link = fleet.oneOf(fleet.redis.links);
      link.cut();
      await fleet.pause(lasting(fleet));
      link.resume();
    },
  },
  {
    name: 'link-delay',
    lane: 'links',
    title: 'what a node and Redis send each other is late',
    async run(fleet) {
      const link = fleet.oneOf(fleet.redis.links);
      link.latencyMs = fleet.between(2, 60);
      await fleet.pause(lasting(fleet));
      link.latencyMs = 0;
    },
  },
  {
    name: 'node-kill',
    lane: 'nodes',
    title: 'a node is killed, and opened again',
    async run(fleet) {
      const slot = fleet.random.below(fleet.slots);
      await fleet.node(slot).kill();
      await fleet.pause(fleet.between(0, 2_000));
      await fleet.launch(slot);
    },
  },
  {
    name: 'node-kill-after-commit',
    lane: 'nodes',
    title: 'a node dies between the commit of a write and telling anybody, and is opened again',
    async run(fleet) {
      const slot = fleet.random.below(fleet.slots);
      const node = fleet.node(slot);
      node.expectDeath();
      node.tell('die after commit');
      await node.ended;
      await fleet.pause(fleet.between(0, 2_000));
      await fleet.launch(slot);
    },
  },
  {
    name: 'node-pause',
    lane: 'nodes',
    title: 'a node stands still, and goes on',
    async run(fleet) {
      const node = fleet.node(fleet.random.below(fleet.slots));
      node.signal('SIGSTOP');
      await fleet.pause(lasting(fleet)).finally(() => node.signal('SIGCONT'));
    },
  },
  {
    name: 'node-restart',
    lane: 'nodes',
    title: 'a node is closed, and opened again',
    async run(fleet) {
      const slot = fleet.random.below(fleet.slots);
      await fleet.node(slot).stop();
      await fleet.launch(slot);
    },
  },
];
