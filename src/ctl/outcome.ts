/** What a command prints and how it ends. */
export interface Outcome {
  readonly output: string;
  readonly errors: string;
  readonly exitCode: number;
}

/** Each error on a line of its own. */
export function errorLines(errors: readonly string[]): string {
  return errors.map((error) => `${error}\n`).join('');
}
