/** What users get wrong, and what the machine lacks: a clear answer that names the thing, the stage and the next step, and nothing lost. */
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newCluster, sharedCluster, type Cluster } from '../machine/cluster.ts';
import { run, tryRun } from '../machine/command.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { inNamespace } from '../machine/network-namespace.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, pod, shell } from './objects.ts';

jest.setTimeout(120_000);

describe('objects', () => {
  let k: Kubectl;
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await sharedCluster();
    k = await cluster.kubectl.newNamespace('bad');
  });
  afterAll(async () => k?.removeNamespace());

  const map = (name: string, data: unknown): object => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    data,
  });

  test.each([
    { name: 'malformed YAML', object: 'kind: Pod\n  apiVersion: : v1', says: /error parsing|yaml/i },
    {
      name: 'an unknown group',
      object: { apiVersion: 'no.such/v1', kind: 'Pod', metadata: { name: 'x' } },
      says: /no matches for kind "Pod" in version "no\.such\/v1"/,
    },
    {
      name: 'a name too long',
      object: map('x'.repeat(254), {}),
      says: /metadata\.name: Invalid value.*must be no more than 253 (characters|bytes)/s,
    },
    {
      name: 'a name in capitals',
      object: map('Upper', {}),
      says: /metadata\.name: Invalid value: "Upper": a lowercase RFC 1123 subdomain/,
    },
    {
      name: 'no name',
      object: { apiVersion: 'v1', kind: 'ConfigMap' },
      says: /name.*required|resource name may not be empty/i,
    },
    {
      name: 'no containers',
      object: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec: { containers: [] } },
      says: /spec\.containers: Required value/,
    },
    {
      name: 'no image',
      object: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec: { containers: [{ name: 'c' }] } },
      says: /spec\.containers\[0\]\.image: Required value/,
    },
    {
      name: 'an unknown field',
      object: pod('x', { container: { imagee: 'y' } }),
      says: /unknown field "spec\.containers\[0\]\.imagee"/,
    },
    {
      name: 'a label that breaks the rules',
      object: { ...map('x', {}), metadata: { name: 'x', labels: { 'a b': 'c' } } },
      says: /metadata\.labels: Invalid value: "a b"/,
    },
    {
      name: 'limits below requests',
      object: pod('x', { container: { resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } } }),
      says: /spec\.containers\[0\]\.resources\.requests: Invalid value: "2": must be less than or equal to cpu limit/,
    },
  ])('$name is refused with the reason', async ({ object, says }) => {
    const { code, stderr } = await k.tryCreate(object);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(says);
  });

  test('an unknown kind is named', async () => {
    // With validation, kubectl asks for custom resource definitions first, and where there are none it says only that.
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'Podd', metadata: { name: 'x' } });
    const { code, stderr } = await k.try(['create', '--validate=false', '-f', '-'], { input });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/no matches for kind "Podd" in version "v1"/);
  });

  test('wrong types are refused by the server itself', async () => {
    const { code, stderr } = await k.try(['create', '--validate=false', '-f', '-'], {
      input: JSON.stringify(pod('x', { container: { ports: [{ containerPort: 'eighty' }] } })),
    });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/containerPort|cannot unmarshal string/);
  });

  test('an object of 5 MiB is refused and the server goes on', async () => {
    const { code, stderr } = await k.tryCreate(map('huge', { blob: 'x'.repeat(5 * 1024 * 1024) }));
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/too large|limit/i);
    expect(await k.create(map('small', { a: 'b' }))).toContain('created');
  });

  test('an image that does not exist: ErrImagePull, then ImagePullBackOff, and an event that names it', async () => {
    await k.apply(pod('no-image', { container: { image: 'registry.invalid/nothing:1' } }));
    const reason = /^(ErrImagePull|ImagePullBackOff)$/;
    const p = await k.waitPod(
      'no-image',
      'to fail pulling',
      x => reason.test(x.status.containerStatuses?.[0]?.state['waiting']?.reason ?? ''),
      { timeoutMs: 60_000 },
    );
    expect(p.status.phase).toBe('Pending');
    expect(await k.waitEvent('no-image', 'Failed', /./)).toContain('registry.invalid/nothing:1');
  });

  test('a command that does not exist: the pod says which', async () => {
    await k.apply(pod('no-command', { command: ['/bin/nonesuch'] }));
    const p = await k.waitPod('no-command', 'to fail starting', x => {
      const status = x.status.containerStatuses?.[0];
      return (
        status?.state['waiting']?.reason === 'RunContainerError' ||
        status?.state['terminated'] !== undefined ||
        status?.lastState?.['terminated'] !== undefined
      );
    });
    expect(JSON.stringify(p.status)).toContain('/bin/nonesuch');
    await k.waitEvent('no-command', 'Failed', /nonesuch/);
  });

  test('a pod that wants more than the node has waits and says why', async () => {
    await k.apply(
      pod('greedy', { container: { resources: { requests: { cpu: '1000', memory: '900Gi' } } } }),
      pod('picky', { spec: { nodeSelector: { planet: 'mars' } } }),
    );
    for (const [name, why] of [
      ['greedy', /0\/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory/],
      ['picky', /0\/1 nodes are available: 1 node\(s\) didn't match Pod's node affinity\/selector/],
    ] as const) {
      const p = await k.waitPod(
        name,
        'Unschedulable',
        x => x.status.conditions?.some(c => c.type === 'PodScheduled' && c.reason === 'Unschedulable') ?? false,
      );
      expect(p.status.conditions?.find(c => c.type === 'PodScheduled')?.message).toMatch(why);
      await k.waitEvent(name, 'FailedScheduling', why);
    }
  });

  test('two pods want one host port: the second waits', async () => {
    const container = { ports: [{ containerPort: 8080, hostPort: 18099 }] };
    await k.apply(pod('port-a', { container }));
    await k.waitReady('pod port-a');
    expect(
      (
        await cluster.control.run([
          'timeout',
          '3',
          'busybox',
          'wget',
          '-qO-',
          `http://${cluster.control.address}:18099`,
        ])
      ).trim(),
    ).toBe('port-a');
    await k.apply(pod('port-b', { container }));
    await k.waitEvent('port-b', 'FailedScheduling', /didn't have free ports for the requested pod ports/);
    await k.run(['delete', 'pod', 'port-a', '--timeout=30s']);
    await k.waitReady('pod port-b');
  });

  test('what does not exist is named', async () => {
    expect((await k.try(['get', 'pod', 'ghost'])).stderr).toContain('pods "ghost" not found');
    expect((await k.try(['get', 'ghosts'])).stderr).toContain('doesn\'t have a resource type "ghosts"');
    expect((await k.try(['logs', 'ghost'])).stderr).toContain('pods "ghost" not found');
    expect(
      (await k.tryCreate({ ...map('x', {}), metadata: { name: 'x', namespace: k.namespace, labels: {} } })).code,
    ).toBe(0);
    expect((await k.in('ghost').tryCreate(map('x', {}))).stderr).toContain('namespaces "ghost" not found');
  });

  test('what is there already, and what changed meanwhile, is told apart', async () => {
    await k.create(map('twice', { a: '1' }));
    expect((await k.tryCreate(map('twice', { a: '1' }))).stderr).toContain('configmaps "twice" already exists');
    const old = await k.json(['get', 'configmap', 'twice']);
    await k.run(['patch', 'configmap', 'twice', '--type=merge', '-p', '{"data":{"a":"2"}}']);
    const { code, stderr } = await k.try(['replace', '-f', '-'], { input: JSON.stringify(old) });
    expect(code).not.toBe(0);
    expect(stderr).toContain(
      'the object has been modified; please apply your changes to the latest version and try again',
    );
  });
});

describe('the command', () => {
  let cluster: Cluster | undefined;
  afterEach(async () => {
    await cluster?.close();
    cluster = undefined;
  });
  const built = async (settings: Record<string, string | number> = {}): Promise<Cluster> => {
    cluster = newCluster('bad', { settings });
    await cluster.build();
    return cluster;
  };

  test('without root: exit 5 and "sudo"', async () => {
    // A copy where anybody may read: the checkout's folders may be closed to others.
    const folder = mkdtempSync(join(tmpdir(), 'k8ts-e2e-noroot-'));
    try {
      const repository = fileURLToPath(new URL('../../', import.meta.url));
      await run(['chmod', '755', folder]);
      cpSync(join(repository, 'dist'), join(folder, 'dist'), { recursive: true });
      for (const name of ['@photostructure', 'koffi', '@koromix']) {
        const from = join(repository, 'node_modules', name);
        if ((await tryRun(['test', '-d', from])).code === 0)
          cpSync(from, join(folder, 'node_modules', name), { recursive: true });
      }
      await run(['chmod', '-R', 'a+rX', folder]);
      for (const command of [['up'], ['server'], ['join', 'https://127.0.0.1:1', '--token', 'x'], ['reset', '--yes']]) {
        const { code, stderr } = await tryRun([
          'setpriv',
          '--reuid=65534',
          '--regid=65534',
          '--clear-groups',
          process.execPath,
          join(folder, 'dist/k8ts.mjs'),
          ...command,
        ]);
        expect({ command, code }).toEqual({ command, code: 5 });
        expect(stderr).toContain('sudo');
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('without containerd: says what to install', async () => {
    const { control } = await built({ 'containerd-binary': '/nonexistent/containerd' });
    const { code, stderr } = await control.tryK8ts(['up']);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/Cannot run \/nonexistent\/containerd.*install/s);
    expect(control.pid).toBeUndefined();
  });

  test.each([
    { what: 'API server', port: 6443 },
    { what: 'kubelet', port: 10250 },
  ])("the $what's port in use: names port $port", async ({ port }) => {
    const { control } = await built();
    const listen = `require('node:net').createServer().listen(${port}, '0.0.0.0')`;
    const [program = '', ...args] = inNamespace(control.namespace, [process.execPath, '-e', listen]);
    const squatter = spawn(program, args, { stdio: 'ignore' });
    try {
      await waitFor('the squatter', async () => (await control.run(['ss', '-Hltn'])).includes(`:${port} `));
      const { code, stderr } = await control.tryK8ts(['up', '--timeout', '20']);
      expect(code).not.toBe(0);
      expect(stderr).toContain(String(port));
      expect(stderr).toMatch(/in use|another process holds it/);
    } finally {
      squatter.kill();
    }
    // The same machine, the port free again: it comes up.
    expect(await control.k8ts(['up'])).toContain('is Ready');
  });

  test('a second up changes nothing; a second one in the foreground is refused', async () => {
    const shared = await sharedCluster();
    const { pid } = shared.control;
    expect(await shared.control.k8ts(['up'])).toContain('nothing changed');
    const second = await shared.control.tryK8ts(['up', '--foreground']);
    expect(second).toMatchObject({ code: 4 });
    expect(second.stderr).toContain(`pid ${pid}`);
    expect(shared.control.pid).toBe(pid);
  });

  test('wrong flags: exit 2, and every wrong one is named', async () => {
    const { control } = await built();
    const { code, stderr } = await control.tryK8ts([
      'up',
      '--secure-port',
      '99999',
      '--cluster-cidr',
      'nonsense',
      '--node-name',
      'Big_Name',
    ]);
    expect(code).toBe(2);
    for (const flag of ['--secure-port', '--cluster-cidr', '--node-name']) expect(stderr).toContain(flag);
    expect(await control.tryK8ts(['up', '--no-such-flag'])).toMatchObject({ code: 2 });
    expect(await control.tryK8ts(['status'])).toMatchObject({ code: 3 });
    expect(await control.tryK8ts(['join', 'https://127.0.0.1:1', '--token', 'nonsense'])).toMatchObject({ code: 2 });
  });

  test('a node address that this machine does not have is refused, and those that it has are named', async () => {
    const { control } = await built();
    const { code, stderr } = await control.tryK8ts(['up', '--node-ip', '203.0.113.9', '--timeout', '20']);
    expect(code).not.toBe(0);
    expect(stderr).toContain('203.0.113.9 is no address of this machine');
    expect(stderr).toContain(control.address);
  });

  test('a full disk: writes are refused with the reason, what was acknowledged stays, and space brings it back', async () => {
    const { control, kubectl } = await built();
    mkdirSync(control.path('data'), { recursive: true });
    await run(['mount', '-t', 'tmpfs', '-o', 'size=96m,mode=0755', 'k8ts-e2e', control.path('data')]);
    await cluster?.up();
    await kubectl.run(['create', 'configmap', 'before', '--from-literal=a=b']);
    await kubectl.apply(pod('steady', { command: IDLE }));
    await kubectl.waitReady('pod steady');
    const before = (await kubectl.pod('steady')).status.containerStatuses?.[0]?.containerID;
    await tryRun(['dd', 'if=/dev/zero', `of=${control.path('data', 'ballast')}`, 'bs=64k']);
    const input = JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { generateName: 'filler-' },
      data: { blob: 'x'.repeat(200_000) },
    });
    const refused = await waitFor('a refusal', async () => {
      const result = await kubectl.try(['create', '-f', '-'], { input });
      return result.code === 0 ? undefined : result;
    });
    expect(refused.stderr).toMatch(/full|no space/i);
    expect(await kubectl.run(['get', 'configmap', 'before', '-o', 'jsonpath={.data.a}'])).toBe('b');
    expect(control.pid).toBeDefined();
    rmSync(control.path('data', 'ballast'));
    await waitFor(
      'writes again',
      async () => (await kubectl.try(['create', 'configmap', `after-${Date.now()}`])).code === 0,
    );
    expect((await kubectl.pod('steady')).status.containerStatuses?.[0]?.containerID).toBe(before);
    await control.kill9();
    await cluster?.up();
    expect(await kubectl.run(['get', 'configmap', 'before', '-o', 'jsonpath={.data.a}'])).toBe('b');
  });
});

test('a pod that says a great deal loses no line', async () => {
  const cluster = await sharedCluster();
  const k = await cluster.kubectl.newNamespace('chatty');
  try {
    await k.apply(
      pod('chatty', {
        command: shell(
          'i=0; while [ $i -lt 20000 ]; do echo "$i ........................................................"; i=$((i+1)); done',
        ),
        spec: { restartPolicy: 'Never' },
      }),
    );
    await k.waitPod('chatty', 'to end', p => p.status.phase === 'Succeeded', { timeoutMs: 60_000 });
    expect(await k.run(['logs', '--tail=1', 'chatty'])).toMatch(/^19999 /);
    expect((await k.run(['logs', 'chatty'])).split('\n')).toHaveLength(20_001);
  } finally {
    await k.removeNamespace();
  }
});
