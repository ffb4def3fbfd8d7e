import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { parseNetwork } from '../../../machinery/meta/ip-number.ts';
import type { EndpointModel, ServicePortModel } from '../plan/model.ts';
import { planSockets } from '../plan/userspace-sockets.ts';
import type { SocketPlan } from '../plan/userspace-sockets.ts';
import { testNode } from '../testdata/objects.ts';
import { endpointsFor } from './client-rules.ts';
import { TcpForwarder } from './tcp-forwarder.ts';
import { UdpForwarder } from './udp-forwarder.ts';

const context = {
  node: () => testNode,
  serviceNetwork: parseNetwork('10.96.0.0/16'),
  ownAddresses: () => ['192.0.2.1'],
};
const near: EndpointModel = { ip: '10.244.0.5', port: 8080, local: true };
const far: EndpointModel = { ip: '10.244.1.5', port: 8080, local: false };
const model = (more: Partial<ServicePortModel> = {}): ServicePortModel => ({
  name: 'default/web',
  protocol: 'TCP',
  port: 80,
  clusterIP: '10.96.0.20',
  externalIPs: [],
  loadBalancerIPs: [],
  sourceRanges: [],
  internalPolicy: 'Cluster',
  externalPolicy: 'Cluster',
  clusterEndpoints: [far, near],
  localEndpoints: [near],
  ...more,
});

describe('planSockets()', () => {
  const plan = (more: Partial<ServicePortModel>) => planSockets([model(more)], testNode, ['127.0.0.1', '192.0.2.1']);
  const keys = (more: Partial<ServicePortModel>): string[] => plan(more).sockets.map(({ key }) => key);

  test.each([
    ['a ClusterIP', {}, ['TCP 10.96.0.20 80']],
    ['nothing to send to', { clusterEndpoints: [], localEndpoints: [] }, []],
    ['answered by the node itself', { clusterIP: undefined }, []],
    ['policy Local and none here', { internalPolicy: 'Local', localEndpoints: [] }, []],
    ['a node port by TCP', { clusterIP: undefined, nodePort: 30080 }, ['TCP 0.0.0.0 30080']],
    [
      'by UDP',
      { clusterIP: undefined, nodePort: 30080, protocol: 'UDP' },
      ['UDP 127.0.0.1 30080', 'UDP 192.0.2.1 30080'],
    ],
    [
      'addresses outside',
      { clusterIP: undefined, externalIPs: ['203.0.113.5'], loadBalancerIPs: ['203.0.113.7'] },
      ['TCP 203.0.113.5 80', 'TCP 203.0.113.7 80'],
    ],
    // Pods reach all endpoints, so there is a socket.
    [
      'external policy Local and none here',
      { clusterIP: undefined, nodePort: 30080, externalPolicy: 'Local', localEndpoints: [] },
      ['TCP 0.0.0.0 30080'],
    ],
  ] as const)('%s', (_, more, want) => {
    expect(keys(more as Partial<ServicePortModel>)).toEqual(want);
  });

  test('holds addresses that are not the node’s, and tells of SCTP', () => {
    expect(plan({ externalIPs: ['203.0.113.5', '192.0.2.1'] }).addresses).toEqual(['203.0.113.5']);
    expect(plan({ protocol: 'SCTP' })).toMatchObject({ sockets: [], problems: [expect.stringContaining('80/SCTP')] });
  });
});

describe('endpointsFor()', () => {
  const socket = (more: Partial<SocketPlan> = {}): SocketPlan => ({
    key: '',
    protocol: 'TCP',
    address: '0.0.0.0',
    port: 80,
    name: 'default/web',
    isNodePort: false,
    inside: [far, near],
    outside: [near],
    sourceRanges: [],
    affinitySeconds: undefined,
    ...more,
  });
  test.each([
    ['a pod is inside', socket(), '10.244.3.3', '192.0.2.1', 2],
    ['the node is inside', socket(), '192.0.2.1', '203.0.113.5', 2],
    ['all others are outside', socket(), '198.51.100.1', '192.0.2.1', 1],
    ['a range lets in whom it names', socket({ sourceRanges: ['198.51.100.0/24'] }), '198.51.100.1', '203.0.113.5', 1],
    ['and nobody else', socket({ sourceRanges: ['198.51.100.0/24'] }), '198.51.101.1', '203.0.113.5', undefined],
    ['but the node', socket({ sourceRanges: ['198.51.100.0/24'] }), '192.0.2.1', '203.0.113.5', 2],
    ['node ports are not at service addresses', socket({ isNodePort: true }), '10.244.3.3', '10.96.0.7', undefined],
  ])('%s', (_, plan, client, asked, want) => {
    expect(endpointsFor(plan, client, asked, context)?.length).toBe(want);
  });
});

describe('forwarding', () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  async function serve(onConnection: (socket: Socket) => void): Promise<EndpointModel> {
    const server: Server = createServer({ allowHalfOpen: true }, socket => {
      closers.push(() => socket.destroy());
      onConnection(socket.on('error', () => {}));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => server.close());
    return { ip: '127.0.0.1', port: (server.address() as AddressInfo).port, local: true };
  }

  const freePort = async (): Promise<number> => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise(resolve => server.close(resolve));
    return port;
  };

  const planOf = (port: number, endpoints: readonly EndpointModel[], protocol: 'TCP' | 'UDP' = 'TCP'): SocketPlan => ({
    key: '',
    protocol,
    address: '127.0.0.1',
    port,
    name: 'default/web',
    isNodePort: false,
    inside: endpoints,
    outside: endpoints,
    sourceRanges: [],
    affinitySeconds: undefined,
  });

  async function tcp(
    ...endpoints: EndpointModel[]
  ): Promise<{ forwarder: TcpForwarder; open: () => Socket; plan: SocketPlan }> {
    const plan = planOf(await freePort(), endpoints);
    const forwarder = new TcpForwarder(plan, context);
    await forwarder.listen();
    closers.push(() => forwarder.close());
    const open = (): Socket => {
      const socket = connect({ host: '127.0.0.1', port: plan.port, allowHalfOpen: true }).on('error', () => {});
      closers.push(() => socket.destroy());
      return socket;
    };
    return { forwarder, open, plan };
  }

  function readAll(socket: Socket): Promise<Buffer> {
    const parts: Buffer[] = [];
    return new Promise(resolve => {
      socket.on('data', part => parts.push(part)).on('end', () => resolve(Buffer.concat(parts)));
      socket.resume();
    });
  }

  test('each direction ends by itself', async () => {
    const endpoint = await serve(socket => {
      void readAll(socket).then(all => socket.end(`got ${all.length}`));
    });
    const { open } = await tcp(endpoint);
    const socket = open();
    socket.end(Buffer.alloc(1_000_000));
    expect((await readAll(socket)).toString()).toBe('got 1000000');
  });

  test('nothing is lost to a slow reader, and what waits for it is bounded', async () => {
    const data = randomBytes(24 * 1024 * 1024);
    let written = 0;
    const endpoint = await serve(socket => {
      let at = 0;
      const more = (): void => {
        while (at < data.length) {
          const part = data.subarray(at, at + 65_536);
          at += part.length;
          if (!socket.write(part, () => (written += part.length))) return void socket.once('drain', more);
        }
        socket.end();
      };
      more();
    });
    const { open } = await tcp(endpoint);
    const socket = open();
    socket.pause();
    // What the kernel and we take while nobody reads: then it stands still.
    let before = -1;
    while (written !== before || written === 0) {
      before = written;
      await new Promise(resolve => setTimeout(resolve, 100));
    }
    expect(written).toBeLessThan(data.length);
    const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    expect(digest(await readAll(socket))).toBe(digest(data));
  });

  test('a reset is one for the other side too', async () => {
    let reset: Promise<unknown> = Promise.resolve();
    const endpoint = await serve(socket => {
      reset = new Promise(resolve => socket.on('error', resolve));
      socket.write('x');
    });
    const { open } = await tcp(endpoint);
    const socket = open();
    await once(socket, 'data');
    socket.resetAndDestroy();
    expect(await reset).toMatchObject({ code: 'ECONNRESET' });
    const other = await serve(client => client.resetAndDestroy());
    const { open: openOther } = await tcp(other);
    const second = openOther();
    const error = new Promise(resolve => second.on('error', resolve));
    second.resume();
    expect(await error).toMatchObject({ code: 'ECONNRESET' });
  });

  test('passes over who refuses, and resets when all do', async () => {
    const refusing = { ip: '127.0.0.1', port: await freePort(), local: true };
    const endpoint = await serve(socket => socket.end('here'));
    const { open, forwarder, plan } = await tcp(refusing, endpoint);
    for (let i = 0; i < 4; i++) expect((await readAll(open().end())).toString()).toBe('here');
    forwarder.update({ ...plan, inside: [refusing], outside: [refusing] });
    const socket = open();
    const error = new Promise(resolve => socket.on('error', resolve));
    socket.resume();
    expect(await error).toMatchObject({ code: 'ECONNRESET' });
  });

  test('connections that stand outlive their endpoint and the service', async () => {
    const echo = await serve(socket => socket.pipe(socket));
    const { open, forwarder, plan } = await tcp(echo);
    const socket = open();
    const say = async (word: string): Promise<string> => {
      socket.write(word);
      return String((await once(socket, 'data'))[0]);
    };
    expect(await say('a')).toBe('a');
    forwarder.update({ ...plan, inside: [], outside: [] });
    await forwarder.close();
    expect(await say('b')).toBe('b');
  });

  async function udpEcho(name: string): Promise<EndpointModel> {
    const socket: UdpSocket = createSocket('udp4');
    socket.on('message', (message, from) => socket.send(`${name} ${String(message)}`, from.port, from.address));
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    closers.push(() => socket.close());
    return { ip: '127.0.0.1', port: socket.address().port, local: true };
  }

  function udpClient(port: number): (word: string) => Promise<string> {
    const socket = createSocket('udp4');
    closers.push(() => socket.close());
    return async word => {
      socket.send(word, port, '127.0.0.1');
      return String((await once(socket, 'message'))[0]);
    };
  }

  test('UDP flows keep their endpoint, leave it when it goes, and are bounded in number and time', async () => {
    const [a, b] = [await udpEcho('a'), await udpEcho('b')];
    const plan = planOf(await freePort(), [a, b], 'UDP');
    const forwarder = new UdpForwarder(plan, context, { flows: 3, idleMs: 200 });
    await forwarder.listen();
    closers.push(() => forwarder.close());
    const ask = udpClient(plan.port);
    expect([await ask('1'), await ask('2')]).toEqual(['a 1', 'a 2']);
    forwarder.update({ ...plan, inside: [b], outside: [b] });
    expect(await ask('3')).toBe('b 3');
    for (let i = 0; i < 5; i++) expect(await udpClient(plan.port)('x')).toBe('b x');
    expect(forwarder.size).toBe(3);
    while (forwarder.size > 0) await new Promise(resolve => setTimeout(resolve, 20));
    expect(await ask('4')).toBe('b 4');
  });
});
