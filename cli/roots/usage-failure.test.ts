import { expect, test } from '@jest/globals';
import { StateConflictError } from '../../agent/kubelet/resources/state-conflict.ts';
import { exitCodes } from '../exit-codes.ts';
import { running } from './running.ts';
import { withUsageFailure } from './usage-failure.ts';

const endOf = (error: Error): Promise<unknown> =>
  withUsageFailure(running('kubelet', () => Promise.reject(error)))
    .run(new AbortController().signal)
    .catch((thrown: unknown) => thrown);

test('withUsageFailure() makes what only a person can put right a usage error, with the next step', async () => {
  const conflict = 'configured policy "none" differs from state checkpoint policy "static"';
  const thrown = await endOf(new StateConflictError('/k/cpu_manager_state', 'CPU', conflict));
  expect(thrown).toMatchObject({ name: 'CliError', exitCode: exitCodes.usage });
  expect((thrown as Error).message).toContain(conflict);
  expect((thrown as Error).message).toContain('rm /k/cpu_manager_state');
});

test('withUsageFailure() leaves other failures as they are', async () => {
  const other = new Error('no runtime');
  expect(await endOf(other)).toBe(other);
});
