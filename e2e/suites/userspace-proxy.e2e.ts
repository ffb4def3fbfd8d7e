/** A node that forwards connections to services itself, as where no packet filter works. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import { waitFor } from '../machine/wait-for.ts';
import { deployment, IDLE, pod, service } from './objects.ts';

jest.setTimeout(120_000);

let cluster: Cluster;

beforeAll(async () => {
  cluster = newCluster('userspace', { settings: { 'proxy-mode': 'userspace' } });
  await cluster.start();
  await cluster.kubectl.apply(
    deployment('web', { replicas: 2 }),
    service('web', { type: 'NodePort' }),
    pod('client', { command: IDLE }),
  );
  await cluster.kubectl.run(['rollout', 'status', 'deployment/web', '--timeout=60s']);
  await cluster.kubectl.waitReady('pod/client');
});

afterAll(() => cluster.close());

interface ServiceObject {
  readonly spec: { readonly clusterIP: string; readonly ports: readonly { readonly nodePort: number }[] };
}

const web = async (): Promise<ServiceObject['spec']> =>
  (await cluster.kubectl.json<ServiceObject>(['get', 'service', 'web', '-o', 'json'])).spec;

test('pods reach services, and the API server; what is no service refuses', async () => {
  const { kubectl } = cluster;
  const { clusterIP } = await web();
  const fetched = await waitFor('the service', async () => {
    const { code, stdout } = await kubectl.tryExec('client', `timeout 5 wget -qO- http://${clusterIP}`);
    return code === 0 ? stdout : undefined;
  });
  expect(fetched).not.toBe('');
  expect(await kubectl.exec('client', 'nc -w 3 10.96.0.1 443 </dev/null && echo open')).toContain('open');
  const { stderr } = await kubectl.tryExec('client', 'timeout 5 wget -qO- http://10.96.123.45');
  expect(stderr).toContain('refused');
});

test('a node port answers outside', async () => {
  const { control } = cluster;
  const [port] = (await web()).ports;
  const url = `http://${control.address}:${port?.nodePort}`;
  expect(await control.run(['busybox', 'wget', '-qO-', url])).not.toBe('');
});
