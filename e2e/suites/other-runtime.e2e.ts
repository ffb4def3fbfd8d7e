/** A node on a containerd that somebody else configured and runs: k8ts uses it, and leaves it alone when it goes. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import { killHard } from '../machine/processes.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, pod } from './objects.ts';

jest.setTimeout(120_000);

let cluster: Cluster;
let socket: string;
let pid: number;

beforeAll(async () => {
  cluster = newCluster('other-runtime');
  await cluster.build();
  const host = cluster.control;
  const at = (name: string): string => host.path('own-containerd', name);
  mkdirSync(at('root'), { recursive: true });
  socket = at('containerd.sock');
  writeFileSync(
    at('config.toml'),
    `version = 2
root = "${at('root')}"
state = "${at('state')}"
[grpc]
  address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
  # No registry has it.
  sandbox_image = "registry.invalid/pause:3.9"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
`,
  );
  const command = `setsid containerd --config ${at('config.toml')} > ${at('log')} 2>&1 & echo $!`;
  pid = Number(await host.run(['sh', '-c', command]));
  await waitFor('the other containerd to listen', () => existsSync(socket));
  host.writeConfig({ 'container-runtime-endpoint': `unix://${socket}` });
});
afterAll(async () => {
  await cluster?.control.tryK8ts(['reset', '--yes']);
  if (pid !== undefined) killHard(pid);
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
  expect(await cluster.control.run(['ctr', '-a', socket, 'version'])).toContain('Server');
});
