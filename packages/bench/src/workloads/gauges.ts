import { type IntervalHistogram, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { median } from '../contest.js';

export interface GaugeReadings {
  /** Medians of the rounds, and the longest of all. */
  eventLoopDelayMs: { p50: number; p99: number; max: number };
  gc: { pauses: number; totalMs: number; maxMs: number };
  /** Seconds of processor time of this process, all of its threads, per second. */
  cpu: number;
  rssBytes: number;
}

const RESOLUTION_MS = 5;

/** What a phase costs this process; only what happens between `start` and `stop` counts. */
export class Gauges {
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      this.#pauses += 1;
      this.#pausedMs += duration;
      this.#longestMs = Math.max(this.#longestMs, duration);
    }
  });
  readonly #delays: { p50: number; p99: number; max: number }[] = [];
  #pauses = 0;
  #pausedMs = 0;
  #longestMs = 0;
  #cpuMicros = 0;
  #wallMs = 0;
  #rssBytes = 0;
  #cpuAtStart: NodeJS.CpuUsage | undefined;
  #startedMs = 0;

  start(): void {
    this.#observer.observe({ entryTypes: ['gc'] });
    this.#delay.reset(); // else the time since it was disabled would be a delay
    this.#delay.enable();
    this.#cpuAtStart = process.cpuUsage();
    this.#startedMs = performance.now();
  }

  async stop(): Promise<void> {
    const { user, system } = process.cpuUsage(this.#cpuAtStart);
    this.#cpuMicros += user + system;
    this.#wallMs += performance.now() - this.#startedMs;
    this.#rssBytes = Math.max(this.#rssBytes, process.memoryUsage.rss());
    this.#delay.disable();
    // The histogram has the times between looks, which are meant to be RESOLUTION_MS.
    const delayMs = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
    this.#delays.push({
      p50: delayMs(this.#delay.percentile(50)),
      p99: delayMs(this.#delay.percentile(99)),
      max: delayMs(this.#delay.max),
    });
    await turn(); // the observer is told of pauses in a later turn
    this.#observer.disconnect();
  }

  read(): GaugeReadings {
    const delays = this.#delays;
    return {
      eventLoopDelayMs: {
        p50: median(delays.map(({ p50 }) => p50)),
        p99: median(delays.map(({ p99 }) => p99)),
        max: Math.max(...delays.map(({ max }) => max)),
      },
      gc: { pauses: this.#pauses, totalMs: this.#pausedMs, maxMs: this.#longestMs },
      cpu: this.#cpuMicros / 1_000 / this.#wallMs,
      rssBytes: this.#rssBytes,
    };
  }
}
