import { expect, test } from '@jest/globals';
import type { Client } from '../../machinery/client/client.ts';
import { systemClock as clock } from '../../machinery/process/clock.ts';
import { silentLogger as logger } from '../../machinery/process/logger.ts';
import type { Pod } from '../../proto/api/core-v1.ts';
import { PodReporter } from './pod-reporter.ts';

const pod = (name: string): Pod => ({ metadata: { name, namespace: 'ns', uid: name }, spec: { containers: [] } });

/** A reporter, and the names of the pods that it wrote. */
function reporter(): { reporter: PodReporter; written: string[] } {
  const written: string[] = [];
  const patch = ({ name }: { name: string }): Promise<void> => Promise.resolve(void written.push(name));
  const client = { of: () => ({ patch }) } as unknown as Client;
  return { reporter: new PodReporter({ client, recorder: { event: () => undefined }, clock, logger }), written };
}

test('what is said while the last writer ends is written, too', async () => {
  const { signal } = new AbortController();
  for (let turns = 0; turns < 12; turns++) {
    const { reporter: reports, written } = reporter();
    reports.waits(pod('a'), 'Unschedulable', 'full', signal);
    for (let i = 0; i < turns; i++) await Promise.resolve();
    reports.waits(pod('b'), 'Unschedulable', 'full', signal);
    await reports.settled();
    await new Promise(resolve => setImmediate(resolve));
    expect(written).toEqual(['a', 'b']);
  }
});

test('of one pod the newest word is written alone, and nothing when the scheduler ends', async () => {
  const stop = new AbortController();
  const { reporter: reports, written } = reporter();
  for (let i = 0; i < 40; i++) reports.waits(pod(`p${i}`), 'Unschedulable', 'full', stop.signal);
  for (let i = 20; i < 40; i++) reports.waits(pod(`p${i}`), 'Unschedulable', 'fuller', stop.signal);
  await reports.settled();
  expect(written).toHaveLength(40);
  stop.abort();
  reports.waits(pod('late'), 'Unschedulable', 'full', stop.signal);
  await reports.settled();
  expect(written).toHaveLength(40);
});
