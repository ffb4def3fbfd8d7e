/**
 * What happens to pods while they live: resizes in place (also over a kill -9 of the agent), stop signals, sidecars, hooks, variables
 * from files, crash loops and restarts of all containers. Control groups are read back from inside the containers.
 */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import type { Kubectl, KubeObject } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, IMAGE, pod, shell } from './objects.ts';

jest.setTimeout(90_000);

interface Amounts {
  cpu?: string;
  memory?: string;
}
interface Resources {
  requests?: Amounts;
  limits?: Amounts;
}
interface Status {
  name: string;
  restartCount: number;
  containerID?: string;
  resources?: Resources;
  allocatedResources?: Amounts;
  stopSignal?: string;
  state: Record<string, { reason?: string; message?: string } | undefined>;
  lastState?: Record<string, { reason?: string; message?: string; exitCode?: number } | undefined>;
}
interface LivePod extends KubeObject {
  readonly metadata: KubeObject['metadata'] & { generation: number };
  readonly spec: { resources?: Resources; containers: { name: string; resources?: Resources }[] };
  readonly status: {
    phase?: string;
    observedGeneration?: number;
    resources?: Resources;
    conditions?: { type: string; status: string; reason?: string; message?: string; observedGeneration?: number }[];
    initContainerStatuses?: Status[];
    containerStatuses?: Status[];
  };
}

let cluster: Cluster;
let k: Kubectl;
let folder: string;

/** What a small pod that can be resized asks for. */
const SMALL: Resources = { requests: { cpu: '100m', memory: '48Mi' }, limits: { cpu: '200m', memory: '64Mi' } };

function resizable(name: string, more: Record<string, unknown> = {}): object {
  return pod(name, { command: IDLE, container: { resources: SMALL, ...more } });
}

/** Writes in the order in which the containers of one pod start and end. */
function diary(name: string): string[] {
  const say = (what: string): string => `echo ${what} ${name} >> /diary/order`;
  return shell(`${say('start')}; trap '${say('stop')}; exit 0' TERM; sleep 100000 & wait`);
}

const DIARY = { volumeMounts: [{ name: 'diary', mountPath: '/diary' }] };

beforeAll(async () => {
  cluster = newCluster('pod-life');
  await cluster.build();
  const { control } = cluster;
  folder = control.path('diary');
  mkdirSync(folder, { recursive: true });
  const settings = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    crashLoopBackOff: { maxContainerRestartPeriod: '2s' },
  };
  writeFileSync(control.path('kubelet.json'), JSON.stringify(settings));
  control.writeConfig({ 'kubelet-config': control.path('kubelet.json') });
  await cluster.up();
  k = cluster.kubectl;
  // All at once: they do not disturb each other.
  await k.apply(
    resizable('grows'),
    resizable('full'),
    resizable('restarts', { resizePolicy: [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }] }),
    resizable('waits'),
    resizable('killed'),
    pod('whole', { command: IDLE, spec: { resources: SMALL } }),
    pod('loops', { command: shell('exit 1') }),
    pod('signalled', {
      command: shell(
        'trap "echo by USR1 > /dev/termination-log; exit 7" USR1; trap "" TERM; sleep 100000 & wait; wait',
      ),
      container: {
        lifecycle: { stopSignal: 'SIGUSR1' },
        livenessProbe: { exec: { command: ['test', '!', '-e', '/tmp/sick'] }, periodSeconds: 1, failureThreshold: 1 },
      },
      spec: { os: { name: 'linux' }, terminationGracePeriodSeconds: 30 },
    }),
    pod('ordered', {
      command: diary('main'),
      container: DIARY,
      spec: {
        terminationGracePeriodSeconds: 20,
        initContainers: ['first', 'second'].map(name => ({
          name,
          image: IMAGE,
          restartPolicy: 'Always',
          command: diary(name),
          startupProbe: { exec: { command: ['grep', '-q', name, '/diary/order'] }, periodSeconds: 1 },
          ...DIARY,
        })),
        volumes: [{ name: 'diary', hostPath: { path: folder } }],
      },
    }),
    pod('reads', {
      command: IDLE,
      container: {
        env: [
          { name: 'FROM_FILE', valueFrom: { fileKeyRef: { volumeName: 'made', path: 'my.env', key: 'A' } } },
          { name: 'NONE', valueFrom: { fileKeyRef: { volumeName: 'made', path: 'my.env', key: 'B', optional: true } } },
        ],
      },
      spec: {
        initContainers: [
          {
            name: 'write',
            image: IMAGE,
            command: shell(`echo "A='what init wrote' # so" > /made/my.env`),
            volumeMounts: [{ name: 'made', mountPath: '/made' }],
          },
        ],
        volumes: [{ name: 'made', emptyDir: {} }],
      },
    }),
    pod('anew', {
      // The first life of all ends with 42.
      command: shell('test "$(wc -l < /kept/lives)" -gt 1 || exit 42; trap "exit 0" TERM; sleep 100000 & wait'),
      container: {
        restartPolicy: 'Never',
        restartPolicyRules: [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }],
        volumeMounts: [{ name: 'kept', mountPath: '/kept' }],
      },
      spec: {
        restartPolicy: 'Never',
        initContainers: [
          {
            name: 'count',
            image: IMAGE,
            command: shell('echo life >> /kept/lives'),
            volumeMounts: [{ name: 'kept', mountPath: '/kept' }],
          },
        ],
        volumes: [{ name: 'kept', emptyDir: {} }],
      },
    }),
    pod('nobody', {
      command: IDLE,
      container: { volumeMounts: [{ name: 'map', mountPath: '/map' }] },
      spec: {
        securityContext: { runAsUser: 1000, runAsGroup: 3000, runAsNonRoot: true, fsGroup: 2000 },
        volumes: [{ name: 'map', configMap: { name: 'kube-root-ca.crt' } }],
      },
    }),
    pod('apart', { command: IDLE, spec: { hostUsers: false } }),
    pod('knocks', {
      command: IDLE,
      container: { lifecycle: { postStart: { tcpSocket: { host: control.address, port: 6443 } } } },
    }),
    pod('knocks-in-vain', {
      command: IDLE,
      container: { lifecycle: { postStart: { tcpSocket: { port: 81 } } } },
    }),
  );
});
afterAll(async () => cluster?.close());

const get = (name: string): Promise<LivePod> => k.json<LivePod>(['get', 'pod', name]);
const statusOf = (p: LivePod): Status | undefined => p.status.containerStatuses?.[0];
const conditionOf = (p: LivePod, type: string) => p.status.conditions?.find(c => c.type === type);

async function until(
  name: string,
  what: string,
  condition: (p: LivePod) => boolean,
  timeoutMs = 45_000,
): Promise<LivePod> {
  return waitFor(
    `pod ${name}: ${what}`,
    async () => {
      const found = await get(name);
      if (condition(found)) return found;
      throw new Error(JSON.stringify(found.status));
    },
    { everyMs: 250, timeoutMs },
  );
}

/** Of its container, or of the pod as a whole where that is what has resources. */
async function resize(name: string, resources: Resources): Promise<LivePod> {
  const current = await get(name);
  const container = current.spec.containers[0];
  if (current.spec.resources !== undefined) current.spec.resources = resources;
  else if (container !== undefined) container.resources = resources;
  const path = `/api/v1/namespaces/default/pods/${name}/resize`;
  return JSON.parse(await k.run(['replace', '--raw', path, '-f', '-'], { input: JSON.stringify(current) })) as LivePod;
}

/** Nothing of a resize is left to do, and the status has what the spec asks for. */
const isResized = (p: LivePod): boolean =>
  p.status.observedGeneration === p.metadata.generation &&
  conditionOf(p, 'PodResizePending') === undefined &&
  conditionOf(p, 'PodResizeInProgress') === undefined &&
  JSON.stringify(p.status.resources) === JSON.stringify(p.spec.resources) &&
  JSON.stringify(statusOf(p)?.resources) === JSON.stringify(p.spec.containers[0]?.resources);

/** What the kernel holds the container to: CPU as a part of a processor, memory in bytes. */
async function limitsInside(name: string): Promise<{ cpu: number; memory: number }> {
  const script = `cd /sys/fs/cgroup; if [ -e cpu.max ]; then cat cpu.max memory.max; else
    echo $(cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us); cat memory/memory.limit_in_bytes; fi`;
  const [cpu = '', memory = ''] = (await k.exec(name, script)).trim().split('\n');
  const [quota, period] = cpu.split(' ').map(Number);
  return { cpu: (quota ?? NaN) / (period ?? NaN), memory: Number(memory) };
}

/** The memory limit of the pod's own group, as the host has it. */
async function podLimit(uid: string): Promise<number> {
  const script = `cat $(find /sys/fs/cgroup -path '*${cluster.control.cgroupRoot}*/pod${uid}/*' -prune -o \\
    -path '*/pod${uid}' -type d -print | sed 's|$|/memory.limit_in_bytes|;p;s|limit_in_bytes|max|') 2>/dev/null | head -1`;
  return Number((await cluster.control.run(['/bin/sh', '-c', script])).trim());
}

const MIB = 1024 * 1024;

test('a resize up and down reaches the control groups of container and pod, and restarts nothing', async () => {
  const before = await until('grows', 'to run', p => p.status.phase === 'Running');
  expect(statusOf(before)).toMatchObject({ resources: SMALL, allocatedResources: SMALL.requests });
  for (const next of [
    { requests: { cpu: '150m', memory: '64Mi' }, limits: { cpu: '500m', memory: '96Mi' } },
    { requests: { cpu: '50m', memory: '24Mi' }, limits: { cpu: '100m', memory: '32Mi' } },
  ]) {
    await resize('grows', next);
    const after = await until('grows', 'to be resized', isResized);
    expect(statusOf(after)).toMatchObject({
      allocatedResources: next.requests,
      restartCount: 0,
      containerID: statusOf(before)?.containerID,
    });
    const memory = Number.parseInt(next.limits.memory, 10) * MIB;
    expect(await limitsInside('grows')).toEqual({ cpu: Number.parseInt(next.limits.cpu, 10) / 1000, memory });
    expect(await podLimit(after.metadata.uid)).toBe(memory);
  }
  for (const reason of ['ResizeStarted', 'ResizeCompleted']) await k.waitEvent('grows', reason, /./);
});

test('what only the pod as a whole may use holds its containers, and is resized as well', async () => {
  const before = await until('whole', 'to run', p => p.status.phase === 'Running');
  expect(await limitsInside('whole')).toEqual({ cpu: 0.2, memory: 64 * MIB });
  await resize('whole', { requests: { cpu: '100m', memory: '48Mi' }, limits: { cpu: '300m', memory: '80Mi' } });
  const after = await until('whole', 'to be resized', isResized);
  expect(statusOf(after)).toMatchObject({ restartCount: 0, containerID: statusOf(before)?.containerID });
  expect(await limitsInside('whole')).toEqual({ cpu: 0.3, memory: 80 * MIB });
  expect(await podLimit(after.metadata.uid)).toBe(80 * MIB);
});

test('memory that is in use is not taken away; the resize says so until it is given up', async () => {
  await until('full', 'to run', p => p.status.phase === 'Running');
  await k.exec('full', 'dd if=/dev/zero of=/dev/shm/full bs=1M count=30 2>/dev/null');
  await resize('full', { requests: { cpu: '100m', memory: '16Mi' }, limits: { cpu: '200m', memory: '16Mi' } });
  const stuck = await until('full', 'to say why', p => conditionOf(p, 'PodResizeInProgress')?.reason === 'Error');
  expect(conditionOf(stuck, 'PodResizeInProgress')?.message).toMatch(/memory limit \(16777216\) below current usage/);
  expect(statusOf(stuck)?.resources?.limits).toEqual({ cpu: '200m', memory: String(64 * MIB) });
  expect((await limitsInside('full')).memory).toBe(64 * MIB);
  await resize('full', SMALL);
  expect(statusOf(await until('full', 'to be as it was', isResized))?.restartCount).toBe(0);
});

test('a resize that its policy wants with a restart restarts the container once, with what it is given', async () => {
  await until('restarts', 'to run', p => p.status.phase === 'Running');
  await resize('restarts', { ...SMALL, limits: { cpu: '200m', memory: '80Mi' } });
  const after = await until('restarts', 'to run anew', p => isResized(p) && statusOf(p)?.restartCount === 1);
  expect(statusOf(after)?.state['running']).toBeDefined();
  expect((await limitsInside('restarts')).memory).toBe(80 * MIB);
});

test('what a node can never give is infeasible; what it cannot give now waits for another pod to go', async () => {
  const [node] = await k.list<{ status: { allocatable: { cpu: string } } }>(['nodes']);
  const text = node?.status.allocatable.cpu ?? '0';
  const millis = text.endsWith('m') ? Number.parseInt(text, 10) : Number(text) * 1000;
  await until('waits', 'to run', p => p.status.phase === 'Running');
  const asks = (cpu: string): Resources => ({
    ...SMALL,
    requests: { cpu, memory: '48Mi' },
    limits: { cpu: '1000', memory: '64Mi' },
  });
  await resize('waits', asks('900'));
  const never = await until('waits', 'to be told', p => conditionOf(p, 'PodResizePending') !== undefined);
  expect(conditionOf(never, 'PodResizePending')).toMatchObject({
    reason: 'Infeasible',
    message: `Node didn't have enough capacity: cpu, requested: 900000, capacity: ${millis}`,
    observedGeneration: never.metadata.generation,
  });
  expect(statusOf(never)).toMatchObject({ resources: SMALL });
  // All small pods together fit beside this one, but not beside what is asked for next.
  await k.apply(pod('big', { command: IDLE, container: { resources: { requests: { cpu: `${millis - 1_000}m` } } } }));
  await until('big', 'to run', p => p.status.phase === 'Running');
  await resize('waits', asks('950m'));
  const later = await until('waits', 'to wait', p => conditionOf(p, 'PodResizePending')?.reason === 'Deferred');
  expect(conditionOf(later, 'PodResizePending')?.message).toMatch(
    /^Node didn't have enough resource: cpu, requested: 950, /,
  );
  await k.run(['delete', 'pod', 'big', '--wait=false']);
  expect(statusOf(await until('waits', 'to be resized', isResized))?.allocatedResources?.cpu).toBe('950m');
});

test('an agent that is killed in the middle of a resize goes on with it', async () => {
  const before = await until('killed', 'to run', p => p.status.phase === 'Running');
  const next = { requests: { cpu: '120m', memory: '56Mi' }, limits: { cpu: '300m', memory: '112Mi' } };
  await resize('killed', next);
  await cluster.control.kill9();
  await cluster.up();
  const after = await until('killed', 'to be resized', isResized);
  expect(statusOf(after)).toMatchObject({ restartCount: 0, containerID: statusOf(before)?.containerID });
  expect(await limitsInside('killed')).toEqual({ cpu: 0.3, memory: 112 * MIB });
  expect(await podLimit(after.metadata.uid)).toBe(112 * MIB);
});

test('a container gets the stop signal that its pod names', async () => {
  await until('signalled', 'to run', p => p.status.phase === 'Running');
  expect(statusOf(await get('signalled'))?.stopSignal).toBe('SIGUSR1');
  await k.exec('signalled', 'touch /tmp/sick');
  const after = await until(
    'signalled',
    'to have been stopped',
    p => statusOf(p)?.lastState?.['terminated'] !== undefined,
  );
  expect(statusOf(after)?.lastState?.['terminated']).toMatchObject({ exitCode: 7, message: 'by USR1\n' });
});

test('sidecars start in order before the others and end in reverse after them', async () => {
  await k.waitReady('pod ordered');
  await k.run(['delete', 'pod', 'ordered']);
  expect(readFileSync(`${folder}/order`, 'utf8').trim().split('\n')).toEqual([
    'start first',
    'start second',
    'start main',
    'stop main',
    'stop second',
    'stop first',
  ]);
});

test('variables come from files that other containers wrote', async () => {
  await k.waitReady('pod reads');
  expect((await k.exec('reads', 'echo "$FROM_FILE/${NONE-unset}"')).trim()).toBe('what init wrote/unset');
});

test('who is not root reads what is meant for its pod', async () => {
  await k.waitReady('pod nobody');
  const files = '/etc/hosts /etc/resolv.conf /map/ca.crt /var/run/secrets/kubernetes.io/serviceaccount/token';
  expect(
    (
      await k.exec('nobody', `for f in ${files}; do test -s $f && head -c 1 $f > /dev/null || echo $f; done; id`)
    ).trim(),
  ).toBe('uid=1000 gid=3000 groups=2000,3000');
});

test('crash loops wait as long as the node is told to', async () => {
  const waitsLonger = (p: LivePod): boolean =>
    (statusOf(p)?.restartCount ?? 0) >= 2 && statusOf(p)?.state['waiting']?.reason === 'CrashLoopBackOff';
  const looping = await until('loops', 'to wait again and again', waitsLonger);
  expect(statusOf(looping)?.state['waiting']?.message).toMatch(/^back-off 2s restarting failed container=main /);
});

test('a runtime without user namespaces is no place for a pod that wants one, and says so', async () => {
  await k.waitEvent('apart', 'FailedCreatePodSandBox', /runtime does not support user namespaces/);
});

test('an exit that its rules say so restarts all containers of the pod, init containers too', async () => {
  const after = await until(
    'anew',
    'to live its second life',
    p => statusOf(p)?.state['running'] !== undefined && statusOf(p)?.restartCount === 1,
  );
  expect(after.status.initContainerStatuses?.[0]?.restartCount).toBe(1);
  expect((await k.exec('anew', 'wc -l < /kept/lives')).trim()).toBe('2');
  expect(conditionOf(after, 'AllContainersRestarting')?.status).toBe('False');
});

test('a postStart hook knocks at a port; one that nobody opens restarts its container, with an event', async () => {
  await k.waitReady('pod knocks');
  await k.waitEvent('knocks-in-vain', 'FailedPostStartHook', /dial tcp/);
});
