import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatCpuSet } from '../../../../machinery/meta/cpu-set.ts';
import { silentLogger } from '../../../../machinery/process/logger.ts';
import { MetricsRegistry } from '../../../../machinery/process/metrics.ts';
import { CheckpointFile } from '../checkpoint-file.ts';
import { ResourceMetrics } from '../resource-metrics.ts';
import { writeCpuCheckpoint } from '../plan/cpu-checkpoint.ts';
import { initialCpuState, type CpuPolicy } from '../plan/cpu-static.ts';
import { containerOf, machineOf, podOf } from '../testdata/machines.ts';
import { CpuManager } from './cpu-manager.ts';

const options = {
  fullCoresOnly: false,
  strictReservation: false,
  distributeAcrossNuma: false,
  alignByUncoreCache: false,
};
const policy: CpuPolicy = {
  machine: machineOf({ sockets: 1, nodesPerSocket: 1, coresPerNode: 4, threads: 1 }),
  reserved: [0],
  options,
};
let folder: string;
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'k8ts-cpu-'));
});
afterAll(() => rm(folder, { recursive: true }));

function managerOf(path: string) {
  const changes: string[] = [];
  const manager = new CpuManager({
    policy,
    file: new CheckpointFile(path),
    logger: silentLogger,
    metrics: new ResourceMetrics(new MetricsRegistry()),
    onShared: () => changes.push(formatCpuSet(manager.sharedCpus)),
  });
  return { manager, changes };
}
const newPath = (): string => join(folder, String(files++));

test('what was given is on the disk when the pod is admitted, and known after a restart', async () => {
  const path = newPath();
  const { manager, changes } = managerOf(path);
  await manager.restore();
  const container = containerOf('x', { cpu: '2', memory: '1' });
  await manager.give(podOf('a', [container]), container, undefined);
  expect(changes).toEqual(['0,3']);
  const again = managerOf(path).manager;
  await again.restore();
  expect(again.ownCpus('a', 'x')).toEqual([1, 2]);
  expect([...again.holders()]).toEqual(['a']);
  again.release('a');
  expect(again.sharedCpus).toEqual([0, 1, 2, 3]);
});

test.each([
  [
    'another policy',
    writeCpuCheckpoint('none', initialCpuState(policy)),
    'configured policy "static" differs from state checkpoint policy "none"',
  ],
  [
    'another machine',
    writeCpuCheckpoint('static', { shared: [0, 1], assigned: new Map() }),
    `doesn't match with CPUs in state "0-1"`,
  ],
  ['no state at all', 'x', 'it is no JSON'],
])('a state of %s is refused with the next step, and stays', async (_, text, want) => {
  const path = newPath();
  await writeFile(path, text);
  const restored = managerOf(path).manager.restore();
  await expect(restored).rejects.toThrow(want);
  await expect(restored).rejects.toThrow(`rm ${path}`);
  expect(await readFile(path, 'utf8')).toBe(text);
});

test('writes that wait become one, of the newest state', async () => {
  const file = new CheckpointFile(newPath());
  const texts: string[] = [];
  const save = (text: string): Promise<void> =>
    file.save(() => {
      texts.push(text);
      return text;
    });
  await Promise.all([save('1'), save('2'), save('3')]);
  expect(await file.read()).toBe('3');
  expect(texts).toEqual(['3']);
});
