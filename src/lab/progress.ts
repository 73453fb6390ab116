/** Tells a person how far a lab is: a line that changes on a terminal, a line per step elsewhere. */

export interface Progress {
  /** Runs one step and tells of it; `summary` makes the words for its result. */
  step<T>(name: string, work: () => Promise<T>, summary?: (result: T) => string): Promise<T>;
}

/** Says nothing. */
export const silentProgress: Progress = { step: (_name, work) => work() };

export interface ProgressOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

const CLEAR_LINE = '\r\u001B[K';

/** `✓ namespaces: 12 (35 ms)`; a failed step stays visible with a cross. */
export function printedProgress(output: ProgressOutput): Progress {
  const terminal = output.isTTY === true;
  return {
    async step(name, work, summary) {
      if (terminal) output.write(`… ${name}`);
      const started = performance.now();
      const end = (mark: string, words: string): void => {
        const time = `(${Math.round(performance.now() - started)} ms)`;
        output.write(
          `${terminal ? CLEAR_LINE : ''}${mark} ${name}${words === '' ? '' : `: ${words}`} ${time}\n`,
        );
      };
      try {
        const result = await work();
        end('✓', summary?.(result) ?? '');
        return result;
      } catch (error) {
        end('✗', 'failed');
        throw error;
      }
    },
  };
}
