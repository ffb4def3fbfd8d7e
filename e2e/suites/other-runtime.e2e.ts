/** A node on a containerd that somebody else configured and runs: k8ts uses it, and leaves it alone when it goes. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import { startOwnContainerd, type OwnContainerd } from '../machine/own-containerd.ts';
import { IDLE, pod } from './objects.ts';

jest.setTimeout(120_000);

let cluster: Cluster;
let runtime: OwnContainerd | undefined;

beforeAll(async () => {
  cluster = newCluster('other-runtime');
  await cluster.build();
  const host = cluster.control;
  runtime = await startOwnContainerd(host);
  host.writeConfig({ 'container-runtime-endpoint': `unix://${runtime.socket}` });
});
afterAll(async () => {
  await cluster?.control.tryK8ts(['reset', '--yes']);
  runtime?.stop();
  await cluster?.close();
});

test('k8ts runs pods on it, though no registry has its sandbox image', async () => {
  await cluster.up();
  const k = await cluster.kubectl.newNamespace('other');
  await k.create(pod('guest', { command: IDLE }));
  await k.waitReady('pod/guest');
  expect(await k.run(['get', 'nodes', '-o', 'jsonpath={.items[0].status.nodeInfo.containerRuntimeVersion}'])).toMatch(
    /^containerd:/,
  );
  await k.run(['delete', 'pod', 'guest', '--grace-period=0', '--force']);
});

test('reset leaves it running', async () => {
  await cluster.control.reset();
  expect(await cluster.control.run(['ctr', '-a', String(runtime?.socket), 'version'])).toContain('Server');
});
