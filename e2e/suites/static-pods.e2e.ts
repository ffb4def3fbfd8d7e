/** Pods that a node runs because a file on it says so, with an API server and without. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import type { Host } from '../machine/host.ts';
import { isReady, type Kubectl } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { pod, shell } from './objects.ts';

jest.setTimeout(180_000);

let cluster: Cluster;
let worker: Host;
let k: Kubectl;

beforeAll(async () => {
  cluster = newCluster('static-pods', { workers: 1 });
  await cluster.build();
  worker = cluster.workers[0] as Host;
  mkdirSync(worker.path('manifests'));
  mkdirSync(worker.path('said'));
  const settings = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    staticPodPath: worker.path('manifests'),
    maxPods: 42,
  };
  writeFileSync(worker.path('kubelet.yaml'), JSON.stringify(settings));
  worker.writeConfig({ 'kubelet-config': worker.path('kubelet.yaml') });
  await cluster.up();
  await cluster.join(worker);
  k = cluster.kubectl.in('kube-system');
});
afterAll(() => cluster?.close());

/** Writes a line into `said/NAME` each time it starts, with its message. */
function manifest(name: string, message: string): object {
  const said = { name: 'said', hostPath: { path: worker.path('said'), type: 'Directory' } };
  const made = pod(name, {
    command: shell(`echo ${message} >> /said/${name}; trap "exit 0" TERM; sleep 100000 & wait`),
    container: { volumeMounts: [{ name: 'said', mountPath: '/said' }] },
    spec: { volumes: [said] },
  }) as { metadata: object };
  return { ...made, metadata: { ...made.metadata, namespace: 'kube-system' } };
}

function write(name: string, text: string | object): void {
  const path = worker.path('manifests', `${name}.yaml`);
  writeFileSync(path, typeof text === 'string' ? text : JSON.stringify(text));
}

function said(name: string): readonly string[] {
  try {
    return readFileSync(worker.path('said', name), 'utf8').trimEnd().split('\n');
  } catch {
    return [];
  }
}

test('a file becomes a pod, which the API shows by a mirror pod', async () => {
  write('web', manifest('web', 'one'));
  const mirror = await k.waitPod('web-w1', 'is Ready', isReady);
  const annotations = mirror.metadata.annotations ?? {};
  expect(annotations['kubernetes.io/config.mirror']).toMatch(/^[0-9a-f]{32}$/);
  expect(annotations['kubernetes.io/config.hash']).toBe(annotations['kubernetes.io/config.mirror']);
  expect(annotations['kubernetes.io/config.source']).toBe('file');
  expect(mirror.metadata).toMatchObject({ ownerReferences: [{ kind: 'Node', name: 'w1', controller: true }] });
  expect(mirror.spec).toMatchObject({ nodeName: 'w1', restartPolicy: 'Always' });
  expect(mirror.spec).not.toHaveProperty('serviceAccountName');
  expect(await k.run(['exec', 'web-w1', '--', 'echo', 'hello'])).toBe('hello\n');
  const node = await k.json<{ status: { allocatable: Record<string, string> } }>(['get', 'node', 'w1']);
  expect(node.status.allocatable['pods']).toBe('42');
});

test('a mirror pod that is deleted comes back, and the pod itself runs on', async () => {
  const before = await k.pod('web-w1');
  await k.run(['delete', 'pod', 'web-w1']);
  const after = await k.waitPod(
    'web-w1',
    'is another, and Ready',
    p => p.metadata.uid !== before.metadata.uid && isReady(p),
  );
  expect(after.status.containerStatuses?.[0]?.containerID).toBe(before.status.containerStatuses?.[0]?.containerID);
  expect(said('web')).toEqual(['one']);
});

test('a file that changes makes another pod; one that breaks leaves it, and is told', async () => {
  const before = await k.pod('web-w1');
  write('web', manifest('web', 'two'));
  await k.waitPod('web-w1', 'is another, and Ready', p => p.metadata.uid !== before.metadata.uid && isReady(p));
  expect(said('web')).toEqual(['one', 'two']);
  write('web', 'apiVersion: v1\nkind: Pod\nmetadata: {name: [');
  write('secret', { ...manifest('secret', 'x'), spec: { serviceAccountName: 'default', containers: [] } });
  await waitFor('the node to tell of both files', async () => {
    const texts = (await k.in('default').events('w1')).filter(e => e.reason === 'InvalidStaticPod').map(e => e.message);
    return texts.some(t => t.includes('/web.yaml: ')) && texts.some(t => t.includes('/secret.yaml: '));
  });
  expect(isReady(await k.pod('web-w1'))).toBe(true);
  write('web', manifest('web', 'two'));
  rmSync(worker.path('manifests', 'secret.yaml'));
  expect(said('web')).toEqual(['one', 'two']);
});

test('an agent that starts without its API server adopts what runs and starts what is new', async () => {
  await worker.kill9();
  await cluster.control.kill9();
  write('late', manifest('late', 'here'));
  await worker.tryK8ts(['join', cluster.serverUrl, '--timeout', '1']);
  await waitFor('the new pod to speak', () => said('late').length > 0);
  expect(said('late')).toEqual(['here']);
  await cluster.up();
  await k.waitPod('late-w1', 'is Ready', isReady);
  await k.waitPod('web-w1', 'is Ready', isReady);
  expect(said('web')).toEqual(['one', 'two']);
});

test('a file that goes takes its pod and its mirror along', async () => {
  rmSync(worker.path('manifests', 'web.yaml'));
  await k.waitGone('pod/web-w1');
  const ctr = ['ctr', '-a', worker.containerdSocket, '-n', 'k8s.io', 'containers', 'ls', '-q'];
  const ofPod = (name: string): Promise<string> => worker.run([...ctr, `labels."io.kubernetes.pod.name"==${name}`]);
  expect(await ofPod('late-w1')).not.toBe('');
  expect(await ofPod('web-w1')).toBe('');
  expect(isReady(await k.pod('late-w1'))).toBe(true);
});
