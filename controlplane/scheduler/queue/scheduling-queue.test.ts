import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { ClusterEvent } from '../framework/cluster-event.ts';
import type { Plugin } from '../framework/framework.ts';
import { prioritySort } from '../plugins/priority-sort.ts';
import type { ClusterChange } from './cluster-change.ts';
import type { QueueEntry } from './queue-entry.ts';
import { QueueingHints } from './queueing-hints.ts';
import { SchedulingQueue } from './scheduling-queue.ts';

function pod(name: string, priority = 0, more: Partial<Pod['metadata']> = {}): Pod {
  return {
    metadata: { name, namespace: 'ns', uid: `uid-${name}`, generation: 1, ...more },
    spec: { priority, schedulerName: 's', containers: [] },
  };
}

const asksFor = (name: string, ...events: ClusterEvent[]): Plugin => ({ name, eventsToRegister: () => events });
/** Its hint lets pods go that have the label `helped`. */
const fit = asksFor('Fit', {
  resource: 'Node',
  actions: ['Add', 'UpdateNodeAllocatable'],
  hint: ({ metadata }) => (metadata.labels?.['helped'] === undefined ? 'skip' : 'queue'),
});
const taints = asksFor('Taints', { resource: 'Node', actions: ['UpdateNodeTaint'] });
const gate = asksFor('Gate', { resource: 'Pod', actions: ['UpdatePodLabel'] });
const anything: Plugin = { name: 'Anything' };

function queueOf(clock: FakeClock): SchedulingQueue {
  const hints = new QueueingHints([{ schedulerName: 's', plugins: [fit, taints, gate, anything] }], silentLogger);
  return new SchedulingQueue({
    clock,
    hints,
    compare: (a, b) => prioritySort.compare?.(a, b) ?? 0,
    gateOf: ({ metadata }) => (metadata.labels?.['gated'] === undefined ? undefined : 'Gate'),
  });
}

const nodeChange = (...actions: ClusterChange['actions']): ClusterChange => ({
  resource: 'Node',
  actions,
  older: {},
  newer: {},
});
const helped = { labels: { helped: '' } };

function tried(queue: SchedulingQueue): QueueEntry {
  const entry = queue.tryPop();
  if (entry === undefined) throw new Error('nothing to try');
  return entry;
}

function names(queue: SchedulingQueue): string[] {
  const found: string[] = [];
  for (let entry = queue.tryPop(); entry !== undefined; entry = queue.tryPop())
    found.push(entry.pod.metadata.name ?? '');
  return found;
}

describe('SchedulingQueue', () => {
  test('the most important pod is tried first, of equals the oldest', () => {
    const queue = queueOf(new FakeClock());
    for (const each of [pod('old'), pod('new'), pod('urgent', 10)]) queue.set(each);
    expect(names(queue)).toEqual(['urgent', 'old', 'new']);
  });

  test('an unschedulable pod comes back for a change that helps, and for no other', async () => {
    const clock = new FakeClock();
    const queue = queueOf(clock);
    queue.set(pod('fits-later', 0, helped));
    queue.set(pod('never'));
    for (const _ of 'ab') queue.park(tried(queue), ['Fit']);
    await clock.advance(60_000);
    queue.notify(nodeChange('UpdateNodeTaint'));
    queue.notify(nodeChange('UpdateNodeCondition'));
    expect(queue.size).toMatchObject({ active: 0, unschedulable: 2 });
    queue.notify(nodeChange('UpdateNodeAllocatable'));
    // Its back-off is over long since.
    expect(names(queue)).toEqual(['fits-later']);
    expect(queue.size.unschedulable).toBe(1);
  });

  test('what changes while a pod is tried counts, through its back-off', async () => {
    const clock = new FakeClock();
    const queue = queueOf(clock);
    queue.set(pod('a', 0, helped));
    const entry = tried(queue);
    queue.notify(nodeChange('Add'));
    queue.park(entry, ['Fit']);
    expect(queue.size).toMatchObject({ active: 0, backoff: 1 });
    await clock.advance(999);
    expect(queue.size.active).toBe(0);
    await clock.advance(1);
    expect(names(queue)).toEqual(['a']);
  });

  test('the back-off doubles from one second to ten', async () => {
    const clock = new FakeClock();
    const queue = queueOf(clock);
    queue.set(pod('a'));
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) {
      queue.retry(tried(queue));
      const fromMs = clock.monotonicMs();
      while (queue.size.active === 0) await clock.advance(500);
      waits.push(clock.monotonicMs() - fromMs);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  test('where little else is to be done an unschedulable pod waits for the first back-off alone', async () => {
    /** How long pods wait that were turned down four times, and that something helps. */
    const waits = async (count: number, others: Pod[] = []): Promise<number[]> => {
      const clock = new FakeClock();
      const queue = queueOf(clock);
      for (let i = 0; i < count; i++) queue.set(pod(`p${i}`, 0, helped));
      for (let tries = 0; tries < 4; tries++) {
        await clock.advance(10_000);
        queue.notify(nodeChange('Add'));
        for (let i = 0; i < count; i++) queue.park(tried(queue), ['Fit']);
      }
      for (const each of others) queue.set(each);
      queue.notify(nodeChange('Add'));
      const fromMs = clock.monotonicMs();
      const found: number[] = [];
      while (found.length < count) {
        await clock.advance(500);
        for (const _ of names(queue).filter(name => name.startsWith('p'))) found.push(clock.monotonicMs() - fromMs);
      }
      return found;
    };
    expect(await waits(2)).toEqual([1_000, 1_000]);
    expect(await waits(1, [pod('another')])).toEqual([8_000]);
    expect(await waits(12)).toEqual([...new Array<number>(10).fill(1_000), 8_000, 8_000]);
  });

  test('a gated pod waits until its own change frees it, and costs no try', () => {
    const queue = queueOf(new FakeClock());
    queue.set(pod('a', 0, { labels: { gated: '' } }));
    expect(queue.size).toMatchObject({ active: 0, gated: 1, unschedulable: 0 });
    queue.notify(nodeChange('Add'));
    expect(queue.size.gated).toBe(1);
    queue.set(pod('a', 0, { generation: 2 }));
    expect(names(queue)).toEqual(['a']);
  });

  test('a status that is written wakes nobody', async () => {
    const clock = new FakeClock();
    const queue = queueOf(clock);
    queue.set(pod('a'));
    queue.park(tried(queue), ['Anything']);
    await clock.advance(60_000);
    queue.set({ ...pod('a'), status: { phase: 'Pending', nominatedNodeName: 'n' } });
    expect(queue.size).toMatchObject({ active: 0, unschedulable: 1 });
    queue.set(pod('a', 0, { generation: 2 }));
    expect(names(queue)).toEqual(['a']);
  });

  test('after five minutes it is tried whatever hints say; an empty queue holds no timer', async () => {
    const clock = new FakeClock();
    const queue = queueOf(clock);
    queue.set(pod('a'));
    queue.park(tried(queue), ['Fit']);
    await clock.advance(299_999);
    expect(queue.size.active).toBe(0);
    await clock.advance(1);
    const entry = tried(queue);
    queue.remove(entry.uid);
    expect(clock.pending).toBe(0);
  });

  test('a pod that was removed while it was tried is not queued again; its namesake is another', () => {
    const queue = queueOf(new FakeClock());
    queue.set(pod('a'));
    const entry = tried(queue);
    queue.remove(entry.uid);
    queue.set(pod('a', 0, { uid: 'another' }));
    queue.retry(entry);
    expect(queue.size).toMatchObject({ active: 1, backoff: 0, trying: 0 });
  });

  test('ten thousand unschedulable pods: hints are asked of plugins alone that asked for the change', () => {
    const queue = queueOf(new FakeClock());
    let asked = 0;
    const hint = (): 'skip' => {
      asked++;
      return 'skip';
    };
    const plugin = asksFor('Counts', { resource: 'Pod', actions: ['AssignedPodDelete'], hint });
    const hints = new QueueingHints([{ schedulerName: 's', plugins: [plugin] }], silentLogger);
    const counting = new SchedulingQueue({ clock: new FakeClock(), hints, compare: () => 0, gateOf: () => undefined });
    for (let i = 0; i < 10_000; i++) {
      counting.set(pod(`p${i}`));
      counting.park(tried(counting), ['Counts']);
    }
    counting.notify(nodeChange('Add', 'UpdateNodeTaint'));
    expect(asked).toBe(0);
    counting.notify({ resource: 'Pod', actions: ['AssignedPodDelete'], older: pod('x'), newer: undefined });
    expect(asked).toBe(10_000);
    expect(queue.size.unschedulable).toBe(0);
  });

  test('waitForPod() ends when a pod comes, or the signal aborts', async () => {
    const queue = queueOf(new FakeClock());
    const stop = new AbortController();
    const waiting = queue.waitForPod(stop.signal);
    queue.set(pod('a'));
    await waiting;
    names(queue);
    const ended = queue.waitForPod(stop.signal);
    stop.abort();
    await ended;
  });

  test('whatever happens, no pod is lost and none is queued twice', async () => {
    const step = fc.record({
      what: fc.constantFrom('set', 'remove', 'try', 'park', 'retry', 'change', 'wait'),
      which: fc.nat(5),
    });
    const history = fc.array(step, { maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(history, async steps => {
        const clock = new FakeClock();
        const queue = queueOf(clock);
        const known = new Set<string>();
        const trying = new Map<string, QueueEntry>();
        for (const { what, which } of steps) {
          const name = `p${which}`;
          const [entry] = [...trying.values()].slice(which % Math.max(1, trying.size));
          if (what === 'set') {
            known.add(name);
            queue.set(pod(name, which, helped));
          }
          if (what === 'remove') {
            known.delete(name);
            queue.remove(`uid-${name}`);
          }
          if (what === 'try') {
            const popped = queue.tryPop();
            if (popped === undefined) continue;
            expect(trying.get(popped.uid)?.place ?? 'gone').toBe('gone');
            expect(known.has(popped.pod.metadata.name ?? '')).toBe(true);
            trying.set(popped.uid, popped);
          }
          if (entry !== undefined && (what === 'park' || what === 'retry')) {
            if (what === 'park') queue.park(entry, ['Fit']);
            else queue.retry(entry);
            trying.delete(entry.uid);
          }
          if (what === 'change') queue.notify(nodeChange('Add'));
          if (what === 'wait') await clock.advance(3_000);
          for (const [uid, each] of trying) if (each.place === 'gone') trying.delete(uid);
          const { active, backoff, unschedulable, gated, trying: tries } = queue.size;
          expect(active + backoff + unschedulable + gated + tries).toBe(known.size);
          expect(tries).toBe(trying.size);
        }
        // In the end everybody gets a try.
        for (const entry of trying.values()) queue.retry(entry);
        queue.notify(nodeChange('Add'));
        await clock.advance(10_000);
        expect(names(queue).sort()).toEqual([...known].sort());
        queue.close();
        expect(clock.pending).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});
