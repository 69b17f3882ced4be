/** A trace file that cannot be read or is not a trace. The message names the file. */
export class TraceError extends Error {
  constructor(file: string, problem: string, options?: ErrorOptions) {
    super(`trace ${file}: ${problem}`, options);
    this.name = 'TraceError';
  }
}
