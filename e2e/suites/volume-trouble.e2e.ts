/** Volumes on bad days: a file system that never answers, a mount that somebody holds, kill -9 while volumes are taken away. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { sharedCluster, type Cluster } from '../machine/cluster.ts';
import { run, tryRun } from '../machine/command.ts';
import { HangingMount } from '../machine/hanging-mount.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, pod } from './objects.ts';

jest.setTimeout(150_000);

let cluster: Cluster;
let k: Kubectl;
let hanging: HangingMount | undefined;
let loop = '';
let holder: ChildProcess | undefined;

beforeAll(async () => {
  cluster = await sharedCluster();
  k = await cluster.kubectl.newNamespace('trouble');
});
afterAll(async () => {
  holder?.kill('SIGKILL');
  await hanging?.end();
  await k?.try(['delete', 'pods', '--all', '--force', '--grace-period=0']);
  await k?.removeNamespace();
  await k?.try(['delete', 'persistentvolume', 'trouble-disk', 'trouble-hung', '--wait=false']);
  if (loop !== '') await tryRun(['losetup', '-d', loop]);
});

/** A volume of this node with a claim that takes it. */
function claimed(name: string, path: string): object[] {
  const spec = { accessModes: ['ReadWriteOnce'], storageClassName: name };
  const terms = [
    { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [cluster.control.name] }] },
  ];
  return [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: `trouble-${name}` },
      spec: {
        ...spec,
        capacity: { storage: '1Mi' },
        persistentVolumeReclaimPolicy: 'Retain',
        local: { path },
        nodeAffinity: { required: { nodeSelectorTerms: terms } },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name },
      spec: { ...spec, volumeName: `trouble-${name}`, resources: { requests: { storage: '1Mi' } } },
    },
  ];
}

const mounted = (name: string, volume: object, mount: object = {}, spec: object = {}): object =>
  pod(name, {
    command: IDLE,
    container: { volumeMounts: [{ name: 'v', mountPath: '/v', ...mount }] },
    spec: { volumes: [{ name: 'v', ...volume }], ...spec },
  });

/** Milliseconds from a pod's creation to its readiness, the best of three: the machine may be busy with something else. */
async function cost(prefix: string): Promise<number> {
  const all = [];
  for (const i of [1, 2, 3]) {
    const beganMs = performance.now();
    await k.create(pod(`${prefix}-${i}`, { command: IDLE }));
    await k.waitReady(`pod/${prefix}-${i}`);
    all.push(performance.now() - beganMs);
  }
  return Math.min(...all);
}

const told = (name: string, reason: string, what: RegExp): Promise<string> =>
  k.waitEvent(name, reason, what, { timeoutMs: 60_000 });

const mountsOf = (uid: string): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter(line => line.includes(uid));

test('a file system that never answers holds up its own pods alone, and their events say so', async () => {
  const usualMs = await cost('before');
  const path = cluster.control.path('hung');
  mkdirSync(path);
  await k.create(mounted('well', { hostPath: { path } }));
  await k.waitReady('pod well');
  hanging = await HangingMount.on(path);
  await k.apply(...claimed('hung', path));
  const typed = Array.from({ length: 6 }, (_, i) => `typed-${i}`);
  await k.create(
    ...typed.map(name => mounted(name, { hostPath: { path, type: 'Directory' } })),
    mounted('plain', { hostPath: { path } }),
    mounted('sub', { hostPath: { path } }, { subPath: 'a' }),
    mounted('claim', { persistentVolumeClaim: { claimName: 'hung' } }, {}, { securityContext: { fsGroup: 2000 } }),
  );
  // One that runs goes on; its next container is not started on what hangs.
  await k.tryExec('well', 'kill 1');
  expect((await cost('beside')) / usualMs).toBeLessThan(3);
  for (const name of ['typed-0', 'plain', 'claim', 'well']) {
    expect(await told(name, 'FailedMount', /does not answer/)).toMatch(
      /^MountVolume.SetUp failed for volume ".*hung does not answer: the fuse file system "hanging" mounted on .*\/hung hangs since 20.*Z \(\d+ s\); repair what serves it/,
    );
  }
  expect(await k.nodeReady()).toBe('True');
  await k.run(['delete', 'pod', ...typed, 'plain', 'sub', 'claim', '--timeout=30s']);
  await hanging.end();
  await k.waitReady('pod well');
});

test('a mount that a process holds is named with the process; kill -9 meanwhile loses nothing, and in the end all is gone', async () => {
  const image = cluster.control.path('disk.img');
  await run(['truncate', '-s', '8M', image]);
  loop = (await run(['losetup', '--find', '--show', image])).trim();
  await k.apply(...claimed('disk', loop));
  const volumes = [
    { name: 'v', persistentVolumeClaim: { claimName: 'disk' } },
    { name: 'm', emptyDir: { medium: 'Memory' } },
    { name: 'd', emptyDir: {} },
  ];
  const volumeMounts = [
    { name: 'v', mountPath: '/v' },
    { name: 'm', mountPath: '/m' },
    { name: 'd', mountPath: '/d', subPath: 'below' },
  ];
  await k.apply(pod('holds', { command: IDLE, container: { volumeMounts }, spec: { volumes } }));
  await k.waitReady('pod holds');
  expect(await k.exec('holds', 'echo kept > /v/x; echo y > /d/y; grep " /v " /proc/mounts')).toContain('ext4');
  const { uid } = (await k.pod('holds')).metadata as { uid: string };
  const folder = cluster.control.path('data', 'kubelet', 'pods', uid);
  const disk = `${folder}/volumes/kubernetes.io~local-volume/trouble-disk`;
  expect(mountsOf(uid).length).toBeGreaterThanOrEqual(3);

  holder = spawn('sleep', ['1000'], { cwd: disk });
  await k.run(['delete', 'pod', 'holds', '--wait=false']);
  const message = await told('holds', 'FailedUnMount', /is busy/);
  expect(message).toContain(
    `the mount ${disk} (ext4 of ${loop}) is busy: process ${holder.pid} (sleep 1000), running since 20`,
  );
  expect(message).toContain(`works in it; end it (kill ${holder.pid})`);

  await cluster.control.kill9();
  await cluster.up();
  expect((await k.pod('holds')).metadata).toMatchObject({ uid });
  holder.kill('SIGKILL');
  await k.waitGone('pod holds');
  expect(mountsOf(uid)).toEqual([]);
  await waitFor('the folder to go', () => !existsSync(folder));

  // What was written is there for the next one.
  await k.apply(mounted('next', { persistentVolumeClaim: { claimName: 'disk' } }));
  await k.waitReady('pod next');
  expect(await k.exec('next', 'cat /v/x')).toBe('kept\n');
});

test('what a pod left that the API has forgotten is taken away at the next start', async () => {
  await k.apply(
    pod('lost', {
      command: IDLE,
      container: { volumeMounts: [{ name: 'm', mountPath: '/m', subPath: 'a' }] },
      spec: { volumes: [{ name: 'm', emptyDir: { medium: 'Memory' } }] },
    }),
  );
  await k.waitReady('pod lost');
  const { uid } = (await k.pod('lost')).metadata as { uid: string };
  expect(mountsOf(uid).length).toBeGreaterThanOrEqual(2);
  await Promise.all([k.try(['delete', 'pod', 'lost', '--force', '--grace-period=0']), cluster.control.kill9()]);
  await cluster.up();
  await k.try(['delete', 'pod', 'lost', '--force', '--grace-period=0']);
  await waitFor('mounts to go', () => mountsOf(uid).length === 0);
  await waitFor('the folder to go', () => !existsSync(cluster.control.path('data', 'kubelet', 'pods', uid)));
});
