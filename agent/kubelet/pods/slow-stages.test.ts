import { expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import { SlowStages } from './slow-stages.ts';

const subject = { apiVersion: 'v1', kind: 'Pod', namespace: 'ns', name: 'p', uid: 'u' };
const stage = { subject, doing: 'Creating the sandbox', waitsFor: 'the runtime does not answer; see its log' };

function setup() {
  const clock = new FakeClock();
  const told: string[] = [];
  const recorder = {
    event: (...[, type, reason, message]: string[] | unknown[]) => told.push(`${type} ${reason} ${message}`),
  };
  return { clock, told, stages: new SlowStages({ clock, recorder: recorder as never, logger: silentLogger }) };
}

test('SlowStages says what hangs and since when, now and then, until it ends', async () => {
  const { clock, told, stages } = setup();
  let end: (value: string) => void = () => {};
  const act = stages.watch(stage, () => new Promise<string>(resolve => (end = resolve)));
  await clock.advance(29_999);
  expect(told).toEqual([]);
  await clock.advance(1);
  expect(told).toEqual([
    'Warning Hanging Creating the sandbox has not ended for 30 s (since 2026-01-01T00:00:00Z): the runtime does not answer; see its log',
  ]);
  await clock.advance(300_000);
  expect(told).toHaveLength(2);
  end('made');
  await expect(act).resolves.toBe('made');
  await clock.advance(3_600_000);
  expect(told).toHaveLength(2);
  expect(clock.pending).toBe(0);
});

test('SlowStages tells it without the detail that cannot be had', async () => {
  const { clock, told, stages } = setup();
  let end: () => void = () => {};
  const detail = (): Promise<string> => Promise.reject(new Error('EIO'));
  const act = stages.watch({ ...stage, usualMs: 10, detail }, () => new Promise<void>(resolve => (end = resolve)));
  await clock.advance(10);
  expect(told).toHaveLength(1);
  end();
  await act;
});

test('SlowStages is silent of what ends in time, and of what ends while the detail is looked up', async () => {
  const { clock, told, stages } = setup();
  await expect(stages.watch(stage, () => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
  let end: () => void = () => {};
  const detail = (): Promise<string> => {
    end();
    return Promise.resolve(' late');
  };
  const act = stages.watch({ ...stage, usualMs: 10, detail }, () => new Promise<void>(resolve => (end = resolve)));
  await clock.advance(10);
  await act;
  expect(told).toEqual([]);
});
