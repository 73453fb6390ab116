import { describe, expect, it } from 'vitest';
import { printedProgress } from '../../../src/lab/progress.ts';
import { waitUntil } from '../../../src/lab/wait.ts';

function output(isTTY: boolean): { text: string; isTTY: boolean; write(text: string): void } {
  return {
    text: '',
    isTTY,
    write(text) {
      this.text += text;
    },
  };
}

describe('printed progress', () => {
  it('prints one line for each step where there is no terminal', async () => {
    const out = output(false);
    const result = await printedProgress(out).step(
      'agents',
      async () => 3,
      (count) => `${count} in sync`,
    );
    expect(result).toBe(3);
    expect(out.text).toMatch(/^✓ agents: 3 in sync \(\d+ ms\)\n$/);
  });

  it('names the step at once on a terminal, and replaces it by its result', async () => {
    const out = output(true);
    await printedProgress(out).step('wires', async () => expect(out.text).toBe('… wires'));
    expect(out.text).toMatch(/^… wires\r\S+✓ wires \(\d+ ms\)\n$/u);
  });

  it('shows which step failed and passes the failure on', async () => {
    const out = output(false);
    const step = printedProgress(out).step('etcd', () => Promise.reject(new Error('no')));
    await expect(step).rejects.toThrow('no');
    expect(out.text).toMatch(/^✗ etcd: failed/);
  });
});

describe('waiting for a condition', () => {
  it('ends as soon as it holds', async () => {
    let asked = 0;
    expect(await waitUntil(() => ++asked === 3, 10_000)).toBe(true);
    expect(asked).toBe(3);
  });

  it('ends after the time it was given, having asked at least once', async () => {
    let asked = 0;
    const never = (): boolean => {
      asked++;
      return false;
    };
    expect(await waitUntil(never, 0)).toBe(false);
    expect(asked).toBe(1);
    expect(await waitUntil(never, 20)).toBe(false);
    expect(asked).toBeGreaterThan(3);
  });
});
