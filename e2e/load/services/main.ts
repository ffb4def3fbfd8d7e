/**
 * Services by the thousand, and the time until one more answers. Runs in the network of a node, as `services/main.ts KUBECONFIG NAMESPACE` and
 *
 *   fill FROM TO LIVE EVERY   makes the services numbered so, each of 5 endpoints that do not exist; but each EVERYth of the one at LIVE,
 *                             an `ip:port`. Prints the service addresses of these, and how long after the last creation the last answers
 *   one-more ADDRESS COUNT    milliseconds from a service's creation, its endpoint a listener of this program at ADDRESS, to its first answered
 *                             connection
 *   churn RATE                changes the endpoints of so many services a second until it is told to end; prints how many it did
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadKubeconfig } from '../../../machinery/client/kubeconfig.ts';
import { ApiClient } from '../../machine/api-client.ts';

const ENDPOINTS = 5;
const CONNECTIONS = 16;
const ATTEMPT_MS = 5;
const OPEN_ATTEMPTS = 400;
const GIVE_UP_MS = 180_000;

const [kubeconfig = '', namespace = '', command = '', ...args] = process.argv.slice(2);
const api = new ApiClient(await loadKubeconfig(kubeconfig));

async function post(path: string, body: unknown): Promise<unknown> {
  const answer = await api.request('POST', path, body);
  if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** @returns its address, and when it was created, by performance.now() */
async function create(name: string, addresses: readonly string[], port: number): Promise<{ ip: string; atMs: number }> {
  const ports = [{ name: 'http', port: 80, targetPort: port }];
  const made = await post(`/api/v1/namespaces/${namespace}/services`, { metadata: { name }, spec: { ports } });
  const atMs = performance.now();
  const labels = {
    'kubernetes.io/service-name': name,
    'endpointslice.kubernetes.io/managed-by': 'bench.k8ts.dev',
  };
  await post(`/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
    metadata: { name: `${name}-x`, labels },
    addressType: 'IPv4',
    ports: [{ name: 'http', port, protocol: 'TCP' }],
    endpoints: addresses.map(address => ({ addresses: [address], conditions: { ready: true } })),
  });
  return { ip: (made as { spec: { clusterIP: string } }).spec.clusterIP, atMs };
}

/** When a connection was answered first: an attempt of one packet every 5 ms. */
function answered(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const open = new Set<Socket>();
    const begin = performance.now();
    const stop = (): void => {
      clearInterval(timer);
      for (const socket of open) socket.destroy();
    };
    const timer = setInterval(() => {
      if (performance.now() - begin > GIVE_UP_MS) {
        stop();
        return reject(new Error(`${host} never answered`));
      }
      const socket = connect({ host, port: 80 });
      open.add(socket);
      socket.on('connect', () => {
        resolve(performance.now());
        stop();
      });
      socket.on('error', () => open.delete(socket));
      const [oldest] = open;
      if (open.size > OPEN_ATTEMPTS && oldest !== undefined) {
        open.delete(oldest);
        oldest.destroy();
      }
    }, ATTEMPT_MS);
  });
}

function deadAddresses(service: number): string[] {
  const at = (endpoint: number): number => service * 8 + endpoint + 1;
  return Array.from({ length: ENDPOINTS }, (_, j) => `10.${200 + (at(j) >> 16)}.${(at(j) >> 8) & 255}.${at(j) & 255}`);
}

async function fill(from: number, to: number, live: string, every: number): Promise<unknown> {
  const [ip = '', port = ''] = live.split(':');
  const lives: string[] = [];
  let next = from;
  const begin = performance.now();
  const work = async (): Promise<void> => {
    for (let i = next++; i < to; i = next++) {
      const isLive = (i + 1) % every === 0;
      const made = await create(`svc-${i}`, isLive ? [ip] : deadAddresses(i), isLive ? Number(port) : 8080);
      if (isLive) lives.push(made.ip);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
  const createdMs = performance.now();
  const answeredMs = await Promise.all(lives.map(answered));
  return { lives, createMs: createdMs - begin, caughtUpMs: Math.max(...answeredMs) - createdMs };
}

async function oneMore(address: string, count: number): Promise<number[]> {
  const server = createServer(socket => {
    socket.on('error', () => {});
    socket.end();
  });
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const times: number[] = [];
  const series = `more-${Date.now()}`;
  for (let i = 0; i < count; i++) {
    const { ip, atMs } = await create(`${series}-${i}`, [address], port);
    times.push((await answered(ip)) - atMs);
    await sleep(500);
  }
  server.close();
  return times;
}

/** Endpoints of 100 services of its own, over and over. */
async function churn(ratePerSecond: number): Promise<{ changes: number }> {
  const names = Array.from({ length: 100 }, (_, i) => `churn-${i}`);
  await Promise.all(names.map((name, i) => create(name, deadAddresses(i), 8080)));
  process.stderr.write('changing\n');
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  let ends = false;
  process.once('SIGTERM', () => (ends = true));
  let changes = 0;
  const begin = performance.now();
  while (!ends) {
    const name = names[changes % names.length] ?? '';
    const endpoints = deadAddresses(changes).map(address => ({ addresses: [address], conditions: { ready: true } }));
    // The server may be away for a while.
    await api
      .request('PATCH', `${slices}/${name}-x`, { endpoints }, 'application/merge-patch+json')
      .catch(() => sleep(100));
    changes++;
    await sleep(Math.max(0, begin + (changes * 1_000) / ratePerSecond - performance.now()));
  }
  return { changes };
}

const [first = '', second = '', third = '', fourth = ''] = args;
async function work(): Promise<unknown> {
  if (command === 'fill') return fill(Number(first), Number(second), third, Number(fourth));
  if (command === 'one-more') return oneMore(first, Number(second));
  if (command === 'churn') return churn(Number(first));
  throw new Error(`there is no command ${JSON.stringify(command)}`);
}

console.log(JSON.stringify(await work()));
process.exit(0);
