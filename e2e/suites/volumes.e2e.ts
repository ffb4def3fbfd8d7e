/** What pods find in their file systems, environment and cgroups. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { sharedCluster, type Cluster } from '../machine/cluster.ts';
import { run, tryRun } from '../machine/command.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, IMAGE, pod } from './objects.ts';

jest.setTimeout(120_000);

let cluster: Cluster;
let k: Kubectl;
let loop = '';

beforeAll(async () => {
  cluster = await sharedCluster();
  k = await cluster.kubectl.newNamespace('volumes');
  await k.apply(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'settings' },
      data: { 'app.conf': 'colour=blue', LEVEL: 'high' },
    },
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys' }, stringData: { password: 'sesame' } },
  );
});
afterAll(async () => {
  await k?.removeNamespace();
  const volumes = ['one', 'block', 'spare'].map(name => `volumes-${name}`);
  await k?.try(['delete', 'persistentvolume', ...volumes, '--ignore-not-found']);
  if (loop !== '') await tryRun(['losetup', '-d', loop]);
});

test('emptyDir is shared by the containers of a pod and survives their restart', async () => {
  const mount = { volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }] };
  await k.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'pair' },
    spec: {
      terminationGracePeriodSeconds: 1,
      initContainers: [
        { name: 'first', image: IMAGE, command: ['/bin/sh', '-c', 'echo init > /scratch/log'], ...mount },
      ],
      containers: [
        // Ends once, when told by a file; the second life finds what the first left.
        {
          name: 'a',
          image: IMAGE,
          command: [
            '/bin/sh',
            '-c',
            'echo life >> /scratch/log; while [ ! -e /scratch/die ]; do sleep 0.1; done; rm /scratch/die; exit 1',
          ],
          ...mount,
        },
        { name: 'b', image: IMAGE, command: IDLE, ...mount },
      ],
      volumes: [{ name: 'scratch', emptyDir: {} }],
    },
  });
  await k.waitReady('pod pair');
  await k.run(['exec', 'pair', '-c', 'b', '--', 'touch', '/scratch/die']);
  await k.waitPod(
    'pair',
    'container a to run again',
    p => (p.status.containerStatuses?.find(c => c.name === 'a')?.restartCount ?? 0) === 1,
  );
  await waitFor('the second life', async () => {
    const log = await k.run(['exec', 'pair', '-c', 'b', '--', 'cat', '/scratch/log']);
    return log === 'init\nlife\nlife\n';
  });
});

test('emptyDir in memory is a tmpfs', async () => {
  await k.apply(
    pod('memory', {
      command: IDLE,
      container: { volumeMounts: [{ name: 'm', mountPath: '/m' }] },
      spec: { volumes: [{ name: 'm', emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } }] },
    }),
  );
  await k.waitReady('pod memory');
  expect(await k.exec('memory', 'grep " /m " /proc/mounts')).toContain('tmpfs');
});

test('an emptyDir in memory is bounded by the limit of its pod, and huge pages need a request', async () => {
  const volumes = [{ name: 'm', emptyDir: { medium: 'Memory' } }];
  const mounts = { volumeMounts: [{ name: 'm', mountPath: '/m' }] };
  await k.apply(
    pod('bounded', {
      command: IDLE,
      container: { ...mounts, resources: { limits: { memory: '32Mi' } } },
      spec: { volumes },
    }),
    pod('huge', {
      command: IDLE,
      container: mounts,
      spec: { volumes: [{ name: 'm', emptyDir: { medium: 'HugePages' } }] },
    }),
  );
  await k.waitReady('pod bounded');
  expect(await k.exec('bounded', 'grep " /m " /proc/mounts')).toContain('size=32768k');
  await waitFor('FailedMount', async () =>
    (await k.events('huge')).some(
      e => e.reason === 'FailedMount' && e.message.includes('there is no resource request for huge pages'),
    ),
  );
});

test('what one container mounts inside a volume reaches another, both ways, and goes with the pod', async () => {
  const mount = (mountPropagation: string): object[] => [{ name: 'p', mountPath: '/p', mountPropagation }];
  const container = (name: string, mode: string, privileged: boolean): object => ({
    name,
    image: IMAGE,
    command: IDLE,
    securityContext: { privileged },
    volumeMounts: mount(mode),
  });
  await k.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'propagation' },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        container('both', 'Bidirectional', true),
        container('to', 'HostToContainer', false),
        container('none', 'None', false),
      ],
      volumes: [{ name: 'p', emptyDir: {} }],
    },
  });
  await k.waitReady('pod propagation');
  const inside = (name: string, script: string): Promise<string> =>
    k.run(['exec', 'propagation', '-c', name, '--', '/bin/sh', '-c', script]);
  await inside('both', 'mkdir /p/in && mount -t tmpfs inner /p/in && echo seen > /p/in/x');
  expect(await inside('to', 'cat /p/in/x')).toBe('seen\n');
  expect(await inside('none', 'ls /p/in')).toBe('');
  const { uid } = (await k.pod('propagation')).metadata as { uid: string };
  const mounts = (): string => readFileSync('/proc/self/mountinfo', 'utf8');
  expect(mounts()).toContain(`${uid}/volumes/kubernetes.io~empty-dir/p/in`);
  await k.run(['delete', 'pod', 'propagation', '--timeout=30s']);
  expect(mounts()).not.toContain(uid);
});

test('claims: a folder, a device, one for one pod alone, and one that comes and goes with its pod', async () => {
  const folder = cluster.control.path('local');
  mkdirSync(folder, { recursive: true });
  const disk = cluster.control.path('block.img');
  await run(['truncate', '-s', '4M', disk]);
  loop = (await run(['losetup', '--find', '--show', disk])).trim();
  const hostname = { key: 'kubernetes.io/hostname', operator: 'In', values: [cluster.control.name] };
  const required = { nodeSelectorTerms: [{ matchExpressions: [hostname] }] };
  const volume = (name: string, spec: object): object => ({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: `volumes-${name}` },
    spec: { capacity: { storage: '1Mi' }, storageClassName: name, nodeAffinity: { required }, ...spec },
  });
  const claimSpec = (name: string, spec: object): object => ({
    storageClassName: name,
    resources: { requests: { storage: '1Mi' } },
    ...spec,
  });
  const claim = (name: string, spec: object): object => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name },
    spec: claimSpec(name, spec),
  });
  const one = { accessModes: ['ReadWriteOncePod'] };
  const block = { accessModes: ['ReadWriteOnce'], volumeMode: 'Block' };
  const spare = { accessModes: ['ReadWriteOnce'] };
  const using = (name: string, source: object, spec: object = {}): object =>
    pod(name, {
      command: IDLE,
      container: { volumeMounts: [{ name: 'v', mountPath: '/v' }] },
      spec: { securityContext: { fsGroup: 2000 }, volumes: [{ name: 'v', ...source }], ...spec },
    });
  await k.apply(
    volume('one', { ...one, local: { path: folder } }),
    claim('one', one),
    volume('block', { ...block, local: { path: loop } }),
    claim('block', block),
    volume('spare', { ...spare, local: { path: folder } }),
    using('first', { persistentVolumeClaim: { claimName: 'one' } }),
    pod('device', {
      command: IDLE,
      container: { volumeDevices: [{ name: 'v', devicePath: '/dev/given' }] },
      spec: { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'block' } }] },
    }),
    pod('mistaken', {
      command: IDLE,
      container: { volumeMounts: [{ name: 'v', mountPath: '/v' }] },
      spec: { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'block' } }] },
    }),
    using('owner', { ephemeral: { volumeClaimTemplate: { spec: claimSpec('spare', spare) } } }),
  );
  await k.waitReady('pod first');
  expect(await k.exec('first', 'echo 1 > /v/x; stat -c %g /v /v/x')).toBe('2000\n2000\n');
  // Past the scheduler, which would keep it waiting.
  const here = { nodeName: cluster.control.name };
  await k.apply(using('second', { persistentVolumeClaim: { claimName: 'one' } }, here));
  const refused = async (name: string, text: string): Promise<boolean> =>
    (await k.events(name)).some(e => e.reason === 'FailedMount' && e.message.includes(text));
  await waitFor('the second pod to be refused', () => refused('second', 'uses the ReadWriteOncePod access mode'));
  await waitFor('a device to be no file system', () =>
    refused('mistaken', 'has volumeMode Block, but is specified in'),
  );
  await k.waitReady('pod device');
  expect(
    await k.exec('device', 'dd if=/dev/zero of=/dev/given bs=512 count=1 2>/dev/null && stat -c %F /dev/given'),
  ).toBe('block special file\n');
  await k.waitReady('pod owner');
  expect(await k.run(['get', 'pvc', 'owner-v', '-o', 'jsonpath={.metadata.ownerReferences[0].name}'])).toBe('owner');
  // In use: it stays until the pod is gone, and then it goes.
  await k.run(['delete', 'pvc', 'owner-v', '--wait=false']);
  expect(await k.run(['get', 'pvc', 'owner-v', '-o', 'jsonpath={.metadata.finalizers}'])).toContain('pvc-protection');
  await k.run(['delete', 'pod', 'owner', 'first', 'device', '--timeout=30s']);
  await k.waitGone('pvc owner-v');
  await k.waitReady('pod second');
  await k.run(['delete', 'pods', 'second', 'mistaken', '--timeout=30s']);
});

test('kinds that nodes do not make are refused with what to use instead', async () => {
  const mount = { volumeMounts: [{ name: 'v', mountPath: '/v' }] };
  const nfs = { server: '127.0.0.1', path: '/nothing' };
  await k.apply(
    pod('scsi', {
      command: IDLE,
      container: mount,
      spec: {
        volumes: [{ name: 'v', iscsi: { targetPortal: '127.0.0.1', iqn: 'iqn.2001-04.com.example:x', lun: 0 } }],
      },
    }),
    // Debian's containerd is older than what can mount images.
    pod('image', {
      command: IDLE,
      container: mount,
      spec: { volumes: [{ name: 'v', image: { reference: IMAGE } }] },
    }),
    pod('nfs', { command: IDLE, container: mount, spec: { volumes: [{ name: 'v', nfs }] } }),
  );
  const message = async (name: string): Promise<string> =>
    waitFor('FailedMount', async () => (await k.events(name)).find(e => e.reason === 'FailedMount')?.message);
  expect(await message('scsi')).toContain('volumes of kind iscsi are not supported on this node; a CSI driver');
  const path = 'jsonpath={.status.nodeInfo.containerRuntimeVersion}';
  if (/^containerd:\/\/(1|2\.0)\./.test(await k.run(['get', 'node', cluster.control.name, '-o', path])))
    expect(await message('image')).toContain('cannot mount images as volumes; that takes 2.1 or newer');
  expect(await message('nfs')).toMatch(/install the package nfs-common|mount failed: .*127.0.0.1:\/nothing/);
});

test('hostPath shows and changes the host; a wrong type keeps the pod waiting with an event', async () => {
  const path = cluster.control.path('shared');
  mkdirSync(path, { recursive: true });
  writeFileSync(`${path}/in`, 'from the host');
  await k.apply(
    pod('host', {
      command: IDLE,
      container: { volumeMounts: [{ name: 'h', mountPath: '/h' }] },
      spec: { volumes: [{ name: 'h', hostPath: { path, type: 'Directory' } }] },
    }),
    pod('wrong', {
      command: IDLE,
      container: { volumeMounts: [{ name: 'h', mountPath: '/h' }] },
      spec: { volumes: [{ name: 'h', hostPath: { path: `${path}/in`, type: 'Directory' } }] },
    }),
  );
  await k.waitReady('pod host');
  expect(await k.exec('host', 'cat /h/in; echo back > /h/out')).toBe('from the host');
  expect(readFileSync(`${path}/out`, 'utf8')).toBe('back\n');
  await waitFor('FailedMount', async () =>
    (await k.events('wrong')).some(e => e.reason === 'FailedMount' && e.message.includes('hostPath type check failed')),
  );
});

test('configMap and secret come as files, as environment, and change in place', async () => {
  await k.apply(
    pod('reader', {
      command: IDLE,
      container: {
        env: [
          { name: 'LEVEL', valueFrom: { configMapKeyRef: { name: 'settings', key: 'LEVEL' } } },
          { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'keys', key: 'password' } } },
          { name: 'MY_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          { name: 'MY_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'TEXT', value: '$(LEVEL)-$(MY_NAME)-$$(X)' },
        ],
        envFrom: [{ prefix: 'ALL_', configMapRef: { name: 'settings' } }],
        volumeMounts: [
          { name: 'c', mountPath: '/c' },
          { name: 's', mountPath: '/s', readOnly: true },
          { name: 'c', mountPath: '/etc/one.conf', subPath: 'app.conf' },
        ],
      },
      spec: {
        volumes: [
          { name: 'c', configMap: { name: 'settings' } },
          { name: 's', secret: { secretName: 'keys', defaultMode: 0o400 } },
        ],
      },
    }),
  );
  await k.waitReady('pod reader');
  expect(await k.exec('reader', 'cat /c/app.conf; echo; cat /s/password; echo; cat /etc/one.conf')).toBe(
    'colour=blue\nsesame\ncolour=blue',
  );
  expect(await k.exec('reader', 'stat -L -c %a /s/password; grep -c " /s tmpfs" /proc/mounts')).toBe('400\n1\n');
  expect((await k.tryExec('reader', 'touch /s/x')).code).not.toBe(0);
  expect(await k.exec('reader', 'echo $LEVEL $PASSWORD $MY_NAME $TEXT $ALL_LEVEL')).toBe(
    'high sesame reader high-reader-$(X) high\n',
  );
  const { status } = await k.pod('reader');
  expect(await k.exec('reader', 'echo $MY_IP')).toBe(`${status.podIP}\n`);
  await k.run(['patch', 'configmap', 'settings', '--type=merge', '-p', '{"data":{"app.conf":"colour=green"}}']);
  await waitFor('the file to change', async () => (await k.exec('reader', 'cat /c/app.conf')) === 'colour=green', {
    timeoutMs: 90_000,
    everyMs: 500,
  });
  expect(await k.exec('reader', 'cat /etc/one.conf')).toBe('colour=blue');
});

test('a volume that waits for its ConfigMap is mounted once that is there', async () => {
  await k.apply(
    pod('early', {
      command: IDLE,
      container: { volumeMounts: [{ name: 'c', mountPath: '/c' }] },
      spec: { volumes: [{ name: 'c', configMap: { name: 'later' } }] },
    }),
  );
  await waitFor('FailedMount', async () =>
    (await k.events('early')).some(
      e => e.reason === 'FailedMount' && e.message.includes('configmap "later" not found'),
    ),
  );
  await k.run(['create', 'configmap', 'later', '--from-literal=a=b']);
  await k.waitReady('pod early', 60);
  expect(await k.exec('early', 'cat /c/a')).toBe('b');
});

test('limits stand in the cgroup, and memory beyond them kills the container alone', async () => {
  await k.apply(
    pod('hungry', {
      command: ['/bin/sh', '-c', 'sleep 1; tail /dev/zero'],
      container: { resources: { requests: { cpu: '50m', memory: '16Mi' }, limits: { cpu: '500m', memory: '24Mi' } } },
      spec: { restartPolicy: 'Never' },
    }),
  );
  const done = await k.waitPod('hungry', 'to be killed', p => p.status.phase === 'Failed');
  expect(done.status.containerStatuses?.[0]?.state['terminated']).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
});

test('security context: user, group, read-only root, no capabilities', async () => {
  await k.apply(
    pod('humble', {
      command: IDLE,
      container: {
        securityContext: {
          runAsUser: 1000,
          runAsGroup: 3000,
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
        },
        volumeMounts: [{ name: 'd', mountPath: '/d' }],
      },
      spec: { securityContext: { fsGroup: 2000 }, volumes: [{ name: 'd', emptyDir: {} }] },
    }),
    pod('root', { command: IDLE, container: { securityContext: { runAsNonRoot: true } } }),
  );
  await k.waitReady('pod humble');
  expect(await k.exec('humble', 'id -u; id -g; id -G')).toMatch(/^1000\n3000\n.*\b2000\b/);
  expect((await k.tryExec('humble', 'touch /x')).code).not.toBe(0);
  expect(await k.exec('humble', 'touch /d/x; stat -c %g /d/x; grep CapEff /proc/self/status')).toMatch(
    /^2000\nCapEff:\s+0000000000000000\n/,
  );
  await k.waitPod(
    'root',
    'to be refused',
    p => p.status.containerStatuses?.[0]?.state['waiting']?.reason === 'CreateContainerConfigError',
  );
});

test('termination: preStop runs, the signal comes, the message is kept', async () => {
  await k.apply(
    pod('polite', {
      command: ['/bin/sh', '-c', 'trap "echo got TERM >> /h/log; exit 0" TERM; while :; do sleep 0.1; done'],
      container: {
        lifecycle: { preStop: { exec: { command: ['/bin/sh', '-c', 'echo preStop >> /h/log'] } } },
        volumeMounts: [{ name: 'h', mountPath: '/h' }],
      },
      spec: {
        terminationGracePeriodSeconds: 20,
        volumes: [{ name: 'h', hostPath: { path: cluster.control.path('polite'), type: 'DirectoryOrCreate' } }],
      },
    }),
    pod('last-words', {
      command: ['/bin/sh', '-c', 'echo -n goodbye > /dev/termination-log; exit 3'],
      spec: { restartPolicy: 'Never' },
    }),
  );
  await k.waitReady('pod polite');
  await k.run(['delete', 'pod', 'polite', '--timeout=40s']);
  expect(readFileSync(cluster.control.path('polite', 'log'), 'utf8')).toBe('preStop\ngot TERM\n');
  const failed = await k.waitPod('last-words', 'to fail', p => p.status.phase === 'Failed');
  expect(failed.status.containerStatuses?.[0]?.state['terminated']).toMatchObject({ exitCode: 3, message: 'goodbye' });
});
