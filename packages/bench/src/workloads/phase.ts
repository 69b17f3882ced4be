import { build, type Histogram } from 'hdr-histogram-js';
import { type GaugeReadings, Gauges } from './gauges.js';

/** Longer ones count as this long. */
const LONGEST_MICROS = 600e6;

export interface PhaseReadings extends GaugeReadings {
  latencyMs: { p50: number; p75: number; p99: number; p999: number; max: number };
  /** Of reads, that needed no database; undefined without reads. */
  hitRatio?: number;
}

/** Rounds of one kind: their latencies in one histogram, and what they cost together. */
export class Phase {
  readonly gauges = new Gauges();
  reads = 0;
  misses = 0;
  readonly #latencies: Histogram = build({
    highestTrackableValue: LONGEST_MICROS,
    numberOfSignificantValueDigits: 3,
    autoResize: false,
  });

  readonly record = (latencyMs: number): void => {
    this.#latencies.recordValue(Math.min(LONGEST_MICROS, Math.max(0, Math.round(latencyMs * 1_000))));
  };

  read(): PhaseReadings {
    const at = (percentile: number) => this.#latencies.getValueAtPercentile(percentile) / 1_000;
    return {
      ...this.gauges.read(),
      latencyMs: {
        p50: at(50),
        p75: at(75),
        p99: at(99),
        p999: at(99.9),
        max: this.#latencies.maxValue / 1_000,
      },
      ...(this.reads > 0 && { hitRatio: 1 - this.misses / this.reads }),
    };
  }
}
