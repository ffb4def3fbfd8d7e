import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { Container, Pod } from '../../../proto/api/core-v1.ts';
import type { ContainerView, PodView } from '../plan/pod-view.ts';
import type { ProbeResult, ProbeRunner } from './probe-runner.ts';
import { Prober } from './prober.ts';

const probe = (port: number, more = {}) => ({ tcpSocket: { port }, periodSeconds: 5, ...more });

/** Its success is one with a warning. */
const DOUBTFUL = 9;

/** `answers` by port; what is not there succeeds. */
function setup(container: Partial<Container>, status?: Pod['status']) {
  const clock = new FakeClock();
  const answers = new Map<number, ProbeResult['kind']>();
  const asked: string[] = [];
  const beganMs = clock.now();
  const runner = {
    run: async ({ tcpSocket }: { tcpSocket: { port: number } }, _: unknown, id: string) => {
      asked.push(`${(clock.now() - beganMs) / 1000}s ${id} ${tcpSocket.port}`);
      const kind = answers.get(tcpSocket.port) ?? 'success';
      return { kind, output: 'said so', isWarning: kind === 'success' && tcpSocket.port === DOUBTFUL };
    },
  } as unknown as ProbeRunner;
  const events: string[] = [];
  const woken: string[] = [];
  const prober = new Prober({
    runner,
    clock,
    logger: silentLogger,
    recorder: { event: (_, type, reason, message) => void events.push(`${type} ${reason}: ${message}`) },
    hostIP: '192.0.2.1',
    random: () => 0.5,
    wake: uid => void woken.push(uid),
  });
  const pod: Pod = {
    metadata: { name: 'p', namespace: 'ns', uid: 'u' },
    spec: { containers: [{ name: 'c', ...container }] },
    ...(status === undefined ? {} : { status }),
  };
  const view = (id = 'c1', state: ContainerView['state'] = 'running') =>
    ({
      uid: 'u',
      sandboxes: [{ ips: ['10.0.0.9'] }],
      containers: [{ id, name: 'c', state, startedAtMs: beganMs }],
    }) as unknown as PodView;
  const shown = (id = 'c1') => prober.answers(view(id).containers[0] as ContainerView);
  return { clock, answers, asked, events, woken, prober, pod, view, shown };
}

describe('Prober', () => {
  test('a container without probes is ready as soon as it runs', () => {
    const { prober, pod, view, shown } = setup({});
    prober.sync(pod, view());
    expect(shown()).toEqual({ ready: true, started: true });
  });

  test('a success that is not as it should be counts, and is told', async () => {
    const { clock, prober, pod, view, shown, events } = setup({ readinessProbe: probe(DOUBTFUL) });
    prober.sync(pod, view());
    await clock.advance(0);
    expect(shown().ready).toBe(true);
    expect(events).toEqual(['Warning ProbeWarning: Readiness probe warning: said so']);
  });

  test('readiness is asked at once, then each period, and wakes the pod when it changes', async () => {
    const { clock, prober, pod, view, shown, answers, woken, events, asked } = setup({ readinessProbe: probe(1) });
    answers.set(1, 'failure');
    prober.sync(pod, view());
    expect(shown().ready).toBe(false);
    await clock.advance(0);
    expect(events).toEqual(['Warning Unhealthy: Readiness probe failed: said so']);
    answers.set(1, 'success');
    await clock.advance(5_000);
    expect(shown().ready).toBe(true);
    expect(woken).toEqual(['u']);
    await clock.advance(10_000);
    expect(asked).toEqual(['0s c1 1', '5s c1 1', '10s c1 1', '15s c1 1']);
    expect(woken).toEqual(['u']);
  });

  test('liveness kills after as many failures as it takes, and asks no more', async () => {
    const livenessProbe = probe(2, { initialDelaySeconds: 3, failureThreshold: 2, terminationGracePeriodSeconds: 7 });
    const { clock, prober, pod, view, answers, asked, woken } = setup({ livenessProbe });
    answers.set(2, 'failure');
    prober.sync(pod, view());
    await clock.advance(3_000);
    expect(prober.failures('u').size).toBe(0);
    await clock.advance(60_000);
    expect(asked).toEqual(['3s c1 2', '8s c1 2']);
    expect(prober.failures('u').get('c1')).toEqual({ probe: 'liveness', message: 'said so', graceSeconds: 7 });
    expect(woken).toEqual(['u']);
  });

  test('startup holds the others back; they then keep what is left of their own delay', async () => {
    const { clock, prober, pod, view, answers, asked, shown } = setup({
      startupProbe: probe(1),
      readinessProbe: probe(2),
      livenessProbe: probe(3, { initialDelaySeconds: 12 }),
    });
    answers.set(1, 'failure');
    prober.sync(pod, view());
    await clock.advance(4_999);
    expect(shown()).toEqual({ ready: false, started: false });
    answers.set(1, 'success');
    await clock.advance(2_000);
    expect(shown()).toEqual({ ready: true, started: true });
    await clock.advance(5_100);
    expect(asked).toEqual(['0s c1 1', '5s c1 1', '5s c1 2', '10s c1 2', '12s c1 3']);
  });

  test('an answer that says nothing counts neither way', async () => {
    const { clock, prober, pod, view, answers, woken } = setup({ livenessProbe: probe(1, { failureThreshold: 1 }) });
    answers.set(1, 'unknown');
    prober.sync(pod, view());
    await clock.advance(20_000);
    expect(prober.failures('u').size).toBe(0);
    expect(woken).toEqual([]);
  });

  test('an adopted container keeps its answer until a probe says otherwise', async () => {
    const status = { containerStatuses: [{ containerID: 'containerd://c1', ready: true, name: 'c', image: '' }] };
    const { clock, prober, pod, view, answers, shown, asked } = setup(
      { readinessProbe: probe(1, { failureThreshold: 1 }) },
      status as unknown as Pod['status'],
    );
    answers.set(1, 'failure');
    prober.sync(pod, view());
    expect(shown().ready).toBe(true);
    await clock.advance(2_500);
    expect(asked).toEqual(['2.5s c1 1']);
    expect(shown().ready).toBe(false);
  });

  test('a restart begins anew, and the end of a container ends its probes', async () => {
    const { clock, prober, pod, view, shown, asked } = setup({ readinessProbe: probe(1) });
    prober.sync(pod, view());
    await clock.advance(0);
    prober.sync(pod, view('c1', 'exited'));
    await clock.advance(20_000);
    expect(asked).toEqual(['0s c1 1']);
    prober.sync(pod, view('c2'));
    expect(shown('c2').ready).toBe(false);
    await clock.advance(0);
    expect(shown('c2').ready).toBe(true);
    prober.stop();
    expect(clock.pending).toBe(0);
  });

  test('of a pod that is being stopped only readiness is asked, and goes on waking it', async () => {
    const { clock, prober, pod, view, shown, answers, woken, asked } = setup({
      livenessProbe: probe(1, { failureThreshold: 1 }),
      readinessProbe: probe(2, { failureThreshold: 1 }),
    });
    prober.sync(pod, view());
    await clock.advance(0);
    expect(shown().ready).toBe(true);
    prober.stopping('u');
    answers.set(1, 'failure').set(2, 'failure');
    asked.length = 0;
    woken.length = 0;
    await clock.advance(5_000);
    expect([asked, woken]).toEqual([['5s c1 2'], ['u']]);
    expect(shown().ready).toBe(false);
    expect(prober.failures('u').size).toBe(0);
  });
});
