/** Two nodes as network namespaces, with pods made by the real CNI plugins. Needs root and containernetworking-plugins. */
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { nodes as nodeResource } from '../../machinery/client/resource.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import type { Node } from '../../proto/api/core-v1.ts';
import { run } from '../host/exec.ts';
import { Links } from '../host/links.ts';
import type { Run } from '../host/exec.ts';
import { Iptables } from '../node-iptables/index.ts';
import { ManualInformer } from '../proxy/testdata/objects.ts';
import { findCniPlugins } from './cni-directory.ts';
import { PodNetwork } from './pod-network.ts';
import { ServiceRange } from './service-range.ts';

const id = `net${process.pid}`;
const names = ['a', 'b'] as const;
type Name = (typeof names)[number];
const nodes = new ManualInformer<Node>(nodeResource);
const stop = new AbortController();
let dir = '';
let pluginDir = '';
const networks = new Map<Name, { network: PodNetwork; running: Promise<void>; inside: Run; confDir: string }>();

function nodeObject(name: Name): Node {
  const index = names.indexOf(name);
  return {
    metadata: { name },
    spec: { podCIDR: `10.244.${index}.0/24`, podCIDRs: [`10.244.${index}.0/24`] },
    status: { addresses: [{ type: 'InternalIP', address: `192.0.2.${index + 1}` }] },
  };
}

function inNamespace(name: string): Run {
  return (argv, options) => run(['nsenter', `--net=/run/netns/${name}`, ...argv], options);
}

async function eventually(what: string, check: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 50; i++) {
    if (await check()) return;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error(`still not: ${what}`);
}

/** What a runtime does for a pod: the plugins of the configuration, in order. Gives the pod's address. */
async function addPod(node: Name, pod: string, ports: unknown[] = []): Promise<string> {
  const { inside, confDir } = networks.get(node) as { inside: Run; confDir: string };
  await run(['ip', 'netns', 'add', `${id}-${pod}`]);
  const config = JSON.parse(await readFile(path.join(confDir, '10-k8ts.conflist'), 'utf8')) as {
    cniVersion: string;
    name: string;
    plugins: { type: string }[];
  };
  let prevResult: unknown;
  for (const plugin of config.plugins) {
    const input = JSON.stringify({
      ...plugin,
      cniVersion: config.cniVersion,
      name: config.name,
      prevResult,
      runtimeConfig: { portMappings: ports },
    });
    const env = {
      PATH: process.env['PATH'],
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: pod,
      CNI_NETNS: `/run/netns/${id}-${pod}`,
      CNI_IFNAME: 'eth0',
      CNI_PATH: pluginDir,
    };
    prevResult = JSON.parse((await inside([path.join(pluginDir, plugin.type)], { input, env })).stdout);
  }
  return (prevResult as { ips: { address: string }[] }).ips[0]?.address.split('/')[0] ?? '';
}

const answersPing = (from: string, to: string): Promise<boolean> =>
  inNamespace(`${id}-${from}`)([
    'node',
    '-e',
    `require('node:net').connect(1, '${to}').on('error', e => process.exit(e.code === 'ECONNREFUSED' ? 0 : 1)).setTimeout(1000, () => process.exit(1))`,
  ]).then(
    () => true,
    () => false,
  );

beforeAll(async () => {
  const plugins = await findCniPlugins();
  if (plugins.kind === 'missing') throw new Error(plugins.message);
  pluginDir = plugins.dir;
  dir = await mkdtemp(path.join(tmpdir(), `${id}-`));
  for (const name of names) await run(['ip', 'netns', 'add', `${id}-${name}`]);
  await run([
    'ip',
    '-n',
    `${id}-a`,
    'link',
    'add',
    'up0',
    'mtu',
    '1450',
    'type',
    'veth',
    'peer',
    'name',
    'up0',
    'netns',
    `${id}-b`,
  ]);
  for (const name of names) {
    const inside = inNamespace(`${id}-${name}`);
    const orders = ['link set lo up', `addr add 192.0.2.${names.indexOf(name) + 1}/24 dev up0`, 'link set up0 up'];
    await inside(['ip', '-batch', '-'], { input: orders.join('\n') });
    const links = new Links(inside);
    const confDir = path.join(dir, name, 'net.d');
    const network = new PodNetwork({
      nodes,
      nodeName: name,
      links,
      cniConfDir: confDir,
      cniIpamDir: path.join(dir, name, 'ipam'),
      iptables: new Iptables({ prefix: ['nsenter', `--net=/run/netns/${id}-${name}`] }),
      serviceRange: new ServiceRange({ links, serviceCIDR: '10.96.0.0/16', localServiceIPs: ['10.96.0.10'] }),
      sysctls: {
        set: async (key, value) => {
          await inside(['sysctl', '-qw', `${key}=${value}`]);
          return 'already';
        },
      },
      clusterCIDR: '10.244.0.0/16',
      localServiceIPs: ['10.96.0.10'],
      clock: systemClock,
      log: silentLogger,
    });
    networks.set(name, { network, running: network.run(stop.signal), inside, confDir });
    await network.ready();
  }
}, 30_000);

afterAll(async () => {
  stop.abort();
  for (const { running } of networks.values()) await running;
  const all = (await readdir('/run/netns')).filter(name => name.startsWith(`${id}-`));
  for (const name of all) await run(['ip', 'netns', 'del', name]);
  await rm(dir, { recursive: true, force: true });
});

test('it is not ready before the node has a range', () => {
  expect(networks.get('a')?.network.status()).toMatchObject({ ready: false, reason: 'NoPodCIDR' });
});

test('pods of two nodes reach each other, with the link’s MTU', async () => {
  nodes.set(nodeObject('a'));
  nodes.set(nodeObject('b'));
  for (const name of names)
    await eventually(`${name} ready`, async () => networks.get(name)?.network.status().ready === true);
  const one = await addPod('a', 'p1');
  const two = await addPod('b', 'p2');
  expect([one, two]).toEqual([expect.stringMatching(/^10\.244\.0\./), expect.stringMatching(/^10\.244\.1\./)]);
  expect(await answersPing('p1', two)).toBe(true);
  expect(await answersPing('p2', one)).toBe(true);
  const link = JSON.parse((await inNamespace(`${id}-p1`)(['ip', '-j', 'link', 'show', 'eth0'])).stdout) as {
    mtu: number;
  }[];
  expect(link[0]?.mtu).toBe(1450);
});

test('pods and the node reach the address that the node answers; other service addresses lead nowhere', async () => {
  expect(await answersPing('p1', '10.96.0.10')).toBe(true);
  expect(await answersPing('a', '10.96.0.10')).toBe(true);
  expect(await answersPing('p1', '10.96.7.7')).toBe(false);
  const routes = await inNamespace(`${id}-a`)(['ip', 'route', 'get', '10.96.7.7']);
  expect(routes.stdout).toMatch(/dev k8ts-svc .*src 192\.0\.2\.1/s);
});

test('a host port leads to its pod', async () => {
  const pod = await addPod('b', 'p3', [{ hostPort: 8081, containerPort: 1, protocol: 'tcp' }]);
  expect(pod).toMatch(/^10\.244\.1\./);
  const rules = await new Iptables({ prefix: ['nsenter', `--net=/run/netns/${id}-b`] }).save('nat');
  expect(JSON.stringify([...(rules.get('nat')?.values() ?? [])])).toContain(`${pod}:1`);
});

test('a second run changes nothing', async () => {
  const a = networks.get('a');
  const before = await a?.inside(['iptables-save']);
  nodes.set({ ...nodeObject('b'), metadata: { name: 'b', labels: { x: 'y' } } });
  nodes.set(nodeObject('b'));
  const strip = (text: string | undefined) => text?.replace(/^#.*$/gm, '').replace(/\[\d+:\d+\]/g, '');
  expect(strip((await a?.inside(['iptables-save']))?.stdout)).toBe(strip(before?.stdout));
});

test('a node that leaves takes its route along', async () => {
  const podRoutes = async () => (await inNamespace(`${id}-a`)(['ip', 'route', 'show', 'proto', '84'])).stdout;
  expect(await podRoutes()).toContain('10.244.1.0/24 via 192.0.2.2');
  nodes.remove(nodeObject('b'));
  await eventually('route gone', async () => !(await podRoutes()).includes('10.244.1.0/24'));
});

test('another network’s configuration is left alone', async () => {
  const a = networks.get('a');
  const file = path.join(a?.confDir ?? '', '05-other.conflist');
  await writeFile(file, '{}');
  nodes.set(nodeObject('b'));
  await eventually('given way', async () => a?.network.status().reason === 'OtherNetwork');
  expect(await readdir(a?.confDir ?? '')).toEqual(['05-other.conflist']);
  await rm(file);
});

test('cleanup() leaves nothing', async () => {
  stop.abort();
  for (const { running, network, inside } of networks.values()) {
    await running;
    const removed = await network.cleanup();
    expect(removed).toContain('rules of the pod network');
    expect((await inside(['iptables-save'])).stdout).not.toContain('K8TS');
    expect((await inside(['ip', 'link'])).stdout).not.toContain('k8ts');
    expect((await inside(['ip', 'route', 'show', 'proto', '84'])).stdout).toBe('');
    expect(await network.cleanup()).toEqual([]);
  }
});
