/** Probes, readiness and what follows from it, restarts and their back-off. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { sharedCluster } from '../machine/cluster.ts';
import { isReady, type Kubectl, type PodObject } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, pod, service, shell } from './objects.ts';

jest.setTimeout(120_000);

let k: Kubectl;

beforeAll(async () => {
  k = await (await sharedCluster()).kubectl.newNamespace('probes');
});
afterAll(async () => k?.removeNamespace());

const restarts = (p: PodObject): number => p.status.containerStatuses?.[0]?.restartCount ?? 0;

test('readiness: the endpoint comes and goes with it, and the service with the endpoint', async () => {
  await k.apply(
    pod('gate', {
      container: {
        readinessProbe: { exec: { command: ['test', '-e', '/tmp/open'] }, periodSeconds: 1, failureThreshold: 1 },
      },
    }),
    service('gate'),
    pod('client', { command: IDLE }),
  );
  await k.waitReady('pod client');
  await k.waitPod('gate', 'to run unready', p => p.status.phase === 'Running' && !isReady(p));
  const ready = async () => {
    const [slice] = await k.list<{ endpoints: { conditions: { ready: boolean } }[] }>([
      'endpointslices',
      '-l',
      'kubernetes.io/service-name=gate',
    ]);
    return slice?.endpoints.some(e => e.conditions.ready) ?? false;
  };
  expect(await ready()).toBe(false);
  expect((await k.tryExec('client', 'timeout 2 wget -qO- http://gate')).code).not.toBe(0);
  await k.exec('gate', 'touch /tmp/open');
  await k.waitReady('pod gate', 10);
  await waitFor('the endpoint', ready, { timeoutMs: 5_000 });
  await waitFor(
    'an answer',
    async () => (await k.tryExec('client', 'timeout 2 wget -qO- http://gate')).stdout.trim() === 'gate',
    { timeoutMs: 5_000 },
  );
  await k.exec('gate', 'rm /tmp/open');
  await k.waitPod('gate', 'to be unready', p => !isReady(p), { timeoutMs: 10_000 });
  await waitFor('the endpoint to go', async () => !(await ready()), { timeoutMs: 5_000 });
});

test('liveness by HTTP: a failing container is killed and started again, with events', async () => {
  await k.apply(
    pod('sick', {
      container: {
        livenessProbe: {
          httpGet: { path: '/index.html', port: 8080 },
          periodSeconds: 1,
          failureThreshold: 2,
          initialDelaySeconds: 1,
        },
      },
    }),
  );
  await k.waitReady('pod sick');
  await k.exec('sick', 'rm /tmp/www/index.html');
  await k.waitPod('sick', 'one restart', p => restarts(p) === 1);
  await waitFor('events', async () => {
    const reasons = (await k.events('sick')).map(e => e.reason);
    return reasons.includes('Unhealthy') && reasons.includes('Killing');
  });
  // Its second life wrote the file anew.
  await k.waitReady('pod sick');
});

test('startup by TCP holds the other probes back', async () => {
  await k.apply(
    pod('slow', {
      command: shell('sleep 4; touch /tmp/x; exec httpd -f -p 8080 -h /tmp'),
      container: {
        startupProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1, failureThreshold: 30 },
        livenessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1, failureThreshold: 1 },
      },
    }),
  );
  await k.waitReady('pod slow');
  expect(restarts(await k.pod('slow'))).toBe(0);
});

test('a container that ends again and again backs off', async () => {
  await k.apply(pod('crash', { command: shell('echo dying; exit 9') }));
  const p = await k.waitPod(
    'crash',
    'CrashLoopBackOff',
    x => x.status.containerStatuses?.[0]?.state['waiting']?.reason === 'CrashLoopBackOff',
  );
  expect(p.status.containerStatuses?.[0]?.lastState?.['terminated']).toMatchObject({ exitCode: 9 });
  await waitFor('BackOff', async () => (await k.events('crash')).some(e => e.reason === 'BackOff'));
  await k.waitPod('crash', 'a restart after the back-off', x => restarts(x) >= 2, { timeoutMs: 45_000 });
  expect(await k.run(['logs', '--previous', 'crash'])).toBe('dying\n');
});

test.each([
  { name: 'never', restartPolicy: 'Never', script: 'exit 1', phase: 'Failed' },
  { name: 'done', restartPolicy: 'OnFailure', script: 'exit 0', phase: 'Succeeded' },
])('restart policy $restartPolicy after "$script": $phase', async ({ name, restartPolicy, script, phase }) => {
  await k.apply(pod(name, { command: shell(script), spec: { restartPolicy } }));
  const p = await k.waitPod(name, phase, x => x.status.phase === phase);
  expect(restarts(p)).toBe(0);
});

test('init containers run one after the other, and a failing one keeps the rest waiting', async () => {
  const { spec } = pod('staged') as { spec: { containers: { image: string }[] } };
  const image = spec.containers[0]?.image;
  await k.apply(
    pod('staged', {
      spec: {
        initContainers: [
          { name: 'one', image, command: shell('exit 0') },
          { name: 'two', image, command: shell('exit 0') },
        ],
      },
    }),
    pod('stuck', {
      spec: { restartPolicy: 'Never', initContainers: [{ name: 'one', image, command: shell('exit 4') }] },
    }),
  );
  await k.waitReady('pod staged');
  await k.waitPod('stuck', 'to fail', p => p.status.phase === 'Failed');
  expect((await k.run(['get', 'pod', 'stuck'])).trim()).toContain('Init:Error');
});
