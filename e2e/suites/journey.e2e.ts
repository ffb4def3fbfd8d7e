/** The first journey: what a user of kubectl does on the first day, on one node, in that order. */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { inNamespace } from '../machine/network-namespace.ts';
import { sharedCluster, type Cluster } from '../machine/cluster.ts';
import type { Kubectl, PodObject } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { deployment, IDLE, pod, service } from './objects.ts';

jest.setTimeout(120_000);

let cluster: Cluster;
let k: Kubectl;

beforeAll(async () => {
  cluster = await sharedCluster();
  k = await cluster.kubectl.newNamespace('journey');
});
afterAll(async () => k?.removeNamespace());

/** Names of the deployment's pods that are ready and not about to go. */
async function readyPods(): Promise<string[]> {
  const pods = await k.pods('app=web');
  return pods
    .filter(p => p.metadata.deletionTimestamp === undefined && p.status.containerStatuses?.every(c => c.ready))
    .map(p => p.metadata.name);
}

describe('a fresh cluster', () => {
  test('k8ts status tells that it runs', async () => {
    const status = JSON.parse(await cluster.control.k8ts(['status', '-o', 'json'])) as { phase: string; pid: number };
    expect(status).toMatchObject({ phase: 'running', pid: cluster.control.pid });
  });

  test('get nodes shows role, version, address, system, kernel and runtime', async () => {
    const lines = (await k.run(['get', 'nodes', '-o', 'wide'])).trim().split('\n');
    expect(lines[0]?.split(/\s{2,}/)).toEqual(
      expect.arrayContaining([
        'NAME',
        'STATUS',
        'ROLES',
        'AGE',
        'VERSION',
        'INTERNAL-IP',
        'OS-IMAGE',
        'KERNEL-VERSION',
        'CONTAINER-RUNTIME',
      ]),
    );
    expect(lines[1]).toMatch(
      new RegExp(`^cp +Ready +control-plane\\b.* v1\\.\\d+.* ${cluster.control.address} .*Linux.* containerd://`),
    );
  });

  test('describe node fills its sections', async () => {
    const text = await k.run(['describe', 'node', 'cp']);
    for (const section of [
      'System Info:',
      'Conditions:',
      'Capacity:',
      'Allocatable:',
      'Non-terminated Pods:',
      'Allocated resources:',
      'PodCIDR:',
      'Lease:',
    ])
      expect(text).toContain(section);
    expect(text).toMatch(/Ready +True .*KubeletReady/);
    expect(text).toMatch(/Machine ID: +\S/);
    expect(text).toMatch(/Kernel Version: +\S/);
    expect(text).toMatch(/MemoryPressure +False/);
  });

  test('api-resources and explain know the kinds', async () => {
    const resources = await k.run(['api-resources', '-o', 'name']);
    for (const name of [
      'pods',
      'services',
      'deployments.apps',
      'endpointslices.discovery.k8s.io',
      'leases.coordination.k8s.io',
    ])
      expect(resources.split('\n')).toContain(name);
    expect(await k.run(['explain', 'pod.spec.containers.image'])).toMatch(/FIELD: +image/);
    expect(await k.run(['explain', 'deployment'])).toMatch(/KIND: +Deployment/);
  });
});

describe('a Deployment and a Service', () => {
  test('apply makes real containers that become Ready', async () => {
    const out = await k.apply(
      deployment('web', { replicas: 2 }),
      service('web', { type: 'NodePort' }),
      pod('client', { command: IDLE }),
    );
    expect(out).toContain('deployment.apps/web created');
    await k.run(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    await k.waitReady('pod client');
    expect(await readyPods()).toHaveLength(2);
    // A second time, nothing changes.
    expect(await k.apply(deployment('web', { replicas: 2 }))).toContain('unchanged');
  });

  test('they answer on the ClusterIP, both of them', async () => {
    const ip = (await k.run(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}'])).trim();
    const names = await readyPods();
    const seen = new Set<string>();
    await waitFor('both pods to answer', async () => {
      seen.add((await k.exec('client', `timeout 3 wget -qO- http://${ip}`)).trim());
      return names.every(name => seen.has(name));
    });
    expect((await cluster.control.run(['timeout', '3', 'busybox', 'wget', '-qO-', `http://${ip}`])).trim()).toMatch(
      /^web-/,
    );
  });

  test('they answer on the NodePort', async () => {
    const port = (await k.run(['get', 'service', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}'])).trim();
    const url = `http://${cluster.control.address}:${port}`;
    expect(await cluster.control.run(['timeout', '3', 'busybox', 'wget', '-qO-', url])).toMatch(/^web-/);
    expect(await k.exec('client', `timeout 3 wget -qO- ${url}`)).toMatch(/^web-/);
    // From another machine, too: the wire's own namespace is one.
    const { run } = await import('../machine/command.ts');
    expect(await run(inNamespace(cluster.network.namespace, ['timeout', '3', 'busybox', 'wget', '-qO-', url]))).toMatch(
      /^web-/,
    );
  });

  test('they answer to the DNS name, short and long', async () => {
    for (const name of ['web', `web.${k.namespace}`, `web.${k.namespace}.svc.cluster.local`])
      expect(await k.exec('client', `timeout 5 wget -qO- http://${name}`)).toMatch(/^web-/);
    expect(await k.exec('client', `nslookup kubernetes.default.svc.cluster.local`)).toContain('10.96.0.1');
    expect((await k.tryExec('client', `nslookup no-such-name.${k.namespace}.svc.cluster.local`)).code).not.toBe(0);
  });

  test('the first service of the cluster is its API server', async () => {
    expect(await k.tryExec('client', 'nc -w 3 10.96.0.1 443 </dev/null')).toMatchObject({ code: 0 });
  });

  test('scale adds and takes away', async () => {
    await k.run(['scale', 'deployment/web', '--replicas=3']);
    await waitFor('three ready pods', async () => (await readyPods()).length === 3);
    await k.run(['scale', 'deployment/web', '--replicas=1']);
    await waitFor('one pod left', async () => (await k.pods('app=web')).length === 1);
    await waitFor('one endpoint', async () => {
      const slices = await k.list<{ endpoints: unknown[] }>([
        'endpointslices',
        '-l',
        'kubernetes.io/service-name=web',
      ] as const);
      return slices.flatMap(s => s.endpoints).length === 1;
    });
  });

  test('a rollout replaces the pods, and undo brings them back', async () => {
    const before = await readyPods();
    await k.run(['set', 'env', 'deployment/web', 'COLOUR=blue']);
    await k.run(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    const [after] = await readyPods();
    expect(before).not.toContain(after);
    expect(await k.exec(after ?? '', 'echo $COLOUR')).toBe('blue\n');
    expect(await k.run(['rollout', 'history', 'deployment/web'])).toMatch(/^2 /m);
    await k.run(['rollout', 'undo', 'deployment/web']);
    await k.run(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    await k.run(['rollout', 'restart', 'deployment/web']);
    await k.run(['rollout', 'status', 'deployment/web', '--timeout=60s']);
  });
});

describe('a running pod', () => {
  test('logs and logs -f', async () => {
    await k.apply(
      pod('talker', {
        command: ['/bin/sh', '-c', 'i=0; while [ $i -lt 5 ]; do echo line $i; i=$((i+1)); sleep 0.2; done; sleep 1'],
        spec: { restartPolicy: 'Never' },
      }),
    );
    await k.waitPod('talker', 'to start', p => p.status.phase !== 'Pending');
    const followed = await k.run(['logs', '-f', 'talker']);
    expect(followed).toBe('line 0\nline 1\nline 2\nline 3\nline 4\n');
    expect(await k.run(['logs', '--tail=2', 'talker'])).toBe('line 3\nline 4\n');
    expect(await k.run(['logs', '--timestamps', '--tail=1', 'talker'])).toMatch(/^\d{4}-\d\d-\d\dT\S+ line 4\n$/);
  });

  test('exec gives output, errors, input and exit codes', async () => {
    const result = await k.tryExec('client', 'echo out; echo err >&2; exit 7');
    expect(result).toMatchObject({ code: 7, stdout: 'out\n' });
    expect(result.stderr).toContain('err\n');
    expect(await k.run(['exec', '-i', 'client', '--', 'cat'], { input: 'from here' })).toBe('from here');
    const big = 'x'.repeat(300_000);
    expect(await k.run(['exec', '-i', 'client', '--', 'wc', '-c'], { input: big })).toMatch(/^\s*300000\n$/);
  });

  test('exec -it has a terminal', async () => {
    // script(1) lends kubectl a terminal. Its size follows a moment after the start.
    const inside = 'tty; while [ -z "$(stty size 2>/dev/null)" ]; do sleep 0.1; done; stty size';
    const command = `stty rows 33 cols 99; ${k.argv(['exec', '-it', 'client', '--', 'sh', '-c']).join(' ')} '${inside}'`;
    const out = await cluster.control.run(['script', '-qec', command, '/dev/null'], {
      timeoutMs: 20_000,
      holdInput: true,
    });
    expect(out).toContain('/dev/pts/');
    expect(out).toContain('33 99');
  });

  test('port-forward carries a request', async () => {
    const [target = ''] = await readyPods();
    const argv = inNamespace(cluster.control.namespace, k.argv(['port-forward', `pod/${target}`, '18080:8080']));
    const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: 'ignore' });
    try {
      const answer = await waitFor('an answer', () =>
        cluster.control.run(['timeout', '3', 'busybox', 'wget', '-qO-', 'http://127.0.0.1:18080']),
      );
      expect(answer.trim()).toBe(target);
    } finally {
      child.kill();
    }
  });
});

describe('looking and changing', () => {
  test('get prints wide, yaml, json and names', async () => {
    expect(await k.run(['get', 'pod', 'client', '-o', 'wide'])).toMatch(
      /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE/,
    );
    expect(await k.run(['get', 'pod', 'client', '-o', 'yaml'])).toMatch(/^apiVersion: v1\nkind: Pod\n/);
    expect((await k.pod('client')).metadata.name).toBe('client');
    expect(await k.run(['get', 'pod', 'client', '-o', 'name'])).toBe('pod/client\n');
    expect(await k.run(['get', 'deploy,svc,rs', '-o', 'name'])).toContain('service/web');
    expect(await k.run(['get', 'deploy', 'web'])).toMatch(/READY +UP-TO-DATE +AVAILABLE[^]*web +1\/1 +1 +1/);
  });

  test('describe tells of containers, conditions and events', async () => {
    const text = await k.run(['describe', 'pod', 'client']);
    for (const part of ['Containers:', 'Conditions:', 'Events:', 'Scheduled', 'Started']) expect(text).toContain(part);
    expect(await k.run(['describe', 'deployment', 'web'])).toContain('ScalingReplicaSet');
    expect(await k.run(['describe', 'service', 'web'])).toMatch(/Endpoints: +10\.244\./);
  });

  test('label, annotate and selectors', async () => {
    await k.run(['label', 'pod', 'client', 'tier=test', 'owner=me']);
    await k.run(['label', 'pod', 'client', 'owner-']);
    await k.run(['annotate', 'pod', 'client', 'note=hello world']);
    expect(await k.run(['get', 'pods', '-l', 'tier in (test,other),!owner', '-o', 'name'])).toBe('pod/client\n');
    expect((await k.pod('client')).metadata.annotations).toMatchObject({ note: 'hello world' });
    expect(await k.run(['get', 'pods', '--field-selector', 'metadata.name=client', '-o', 'name'])).toBe('pod/client\n');
  });

  test('patches of all three types', async () => {
    const get = (path: string) => k.run(['get', 'deployment', 'web', '-o', `jsonpath={${path}}`]);
    await k.run(['patch', 'deployment', 'web', '-p', '{"metadata":{"labels":{"a":"1"}}}']);
    await k.run(['patch', 'deployment', 'web', '--type=merge', '-p', '{"metadata":{"labels":{"a":"2"}}}']);
    expect(await get('.metadata.labels.a')).toBe('2');
    await k.run(['patch', 'deployment', 'web', '--type=json', '-p', '[{"op":"remove","path":"/metadata/labels/a"}]']);
    expect(await get('.metadata.labels.a')).toBe('');
  });

  test('server-side apply owns fields and tells of conflicts', async () => {
    const map = (value: string) =>
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'ssa' }, data: { key: value } });
    const apply = (manager: string, value: string, ...more: string[]) =>
      k.try(['apply', '--server-side', `--field-manager=${manager}`, ...more, '-f', '-'], { input: map(value) });
    expect(await apply('one', 'a')).toMatchObject({ code: 0 });
    const conflict = await apply('two', 'b');
    expect(conflict.code).not.toBe(0);
    expect(conflict.stderr).toMatch(/conflict with "one".*\.data\.key/s);
    expect(await apply('two', 'b', '--force-conflicts')).toMatchObject({ code: 0 });
    expect(await k.run(['get', 'configmap', 'ssa', '-o', 'jsonpath={.data.key}'])).toBe('b');
  });

  test('edit opens an editor and applies what it leaves', async () => {
    const editor = cluster.control.path('editor.sh');
    writeFileSync(editor, '#!/bin/sh\nsed -i "s/key: b/key: edited/" "$1"\n');
    chmodSync(editor, 0o755);
    await k.run(['edit', 'configmap', 'ssa'], { env: { KUBE_EDITOR: editor } });
    expect(await k.run(['get', 'configmap', 'ssa', '-o', 'jsonpath={.data.key}'])).toBe('edited');
  });

  test('wait and watch see a change as it happens', async () => {
    // An old kubectl waits for conditions alone.
    if ((await k.minorVersion()) < 23) return;
    const waiting = k.run(['wait', '--for=jsonpath={.data.go}=yes', '--timeout=30s', 'configmap/ssa']);
    await k.run(['patch', 'configmap', 'ssa', '--type=merge', '-p', '{"data":{"go":"yes"}}']);
    expect(await waiting).toContain('condition met');
  });

  test('events tell the story of a pod in order', async () => {
    const reasons = (await k.events('client')).map(e => e.reason);
    expect(reasons).toEqual(expect.arrayContaining(['Scheduled', 'Created', 'Started']));
    if ((await k.minorVersion()) >= 26) expect(await k.run(['events', '--for', 'pod/client'])).toContain('Started');
  });
});

describe('the end', () => {
  test('delete takes pods and their replica sets away', async () => {
    await k.run(['delete', 'deployment/web', 'service/web', '--timeout=60s']);
    await waitFor(
      'pods and replica sets to go',
      async () => (await k.run(['get', 'pods,rs', '-l', 'app=web', '-o', 'name'])) === '',
    );
    const { status }: PodObject = await k.pod('client');
    expect(status.phase).toBe('Running');
    await k.run(['delete', 'pod', 'client', '--timeout=30s']);
    expect((await k.try(['get', 'pod', 'client'])).stderr).toContain(
      'Error from server (NotFound): pods "client" not found',
    );
  });
});
