import { describe, expect, it } from 'vitest';
import { describeError } from '../../../src/base/errors.ts';
import { TaskGroup } from '../../../src/base/task-group.ts';

describe('the task group', () => {
  it('reports failures by name and settles when all, also late ones, have ended', async () => {
    const failures: string[] = [];
    const done: string[] = [];
    const group = new TaskGroup((name, error) => failures.push(`${name}: ${describeError(error)}`));
    group.spawn('fails', async () => {
      throw new Error('on purpose');
    });
    group.spawn('first', async () => {
      await Promise.resolve();
      group.spawn('late', async () => {
        await Promise.resolve();
        done.push('late');
      });
      done.push('first');
    });
    await group.settled();
    expect(failures).toEqual(['fails: on purpose']);
    expect(done).toEqual(['first', 'late']);
  });
});
