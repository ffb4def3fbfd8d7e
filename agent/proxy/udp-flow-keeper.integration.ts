/** UDP flows in the kernel's own table, of both families, in a network namespace of its own. Needs root. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLogger } from '../../machinery/process/logger.ts';
import { run } from '../host/exec.ts';
import { Conntrack } from '../node-iptables/index.ts';
import type { AddressFamily } from './plan/address.ts';
import type { UdpState } from './plan/udp-flows.ts';
import { UdpFlowKeeper } from './udp-flow-keeper.ts';

const NAMESPACE = `uf${process.pid}`;
const prefix = ['nsenter', `--net=/run/netns/${NAMESPACE}`];

beforeEach(() => run(['ip', 'netns', 'add', NAMESPACE]));
afterEach(() => run(['ip', 'netns', 'del', NAMESPACE]));

describe.each([
  { family: 'IPv4', client: '192.0.2.2', node: '192.0.2.1', service: '10.96.0.20', pod: '10.244.0.' },
  { family: 'IPv6', client: '2001:db8::2', node: '2001:db8::1', service: 'fd00:96::20', pod: 'fd00:244::' },
] as const)('UdpFlowKeeper, $family', ({ family, client, node, service, pod }) => {
  const conntrack = new Conntrack({ prefix });
  let sport = 40_000;

  /** As it stands after a packet to `to` was sent on to `endpoint`; to nobody if that is `to` itself. */
  async function flow(to: string, port: number, endpoint: string, endpointPort = port): Promise<void> {
    const from = String(++sport);
    await run([
      ...prefix,
      ...['conntrack', '-I', '-p', 'udp', '-t', '600'],
      ...['-s', client, '--sport', from, '-d', to, '--dport', String(port)],
      ...['-r', endpoint, '--reply-port-src', String(endpointPort), '-q', client, '--reply-port-dst', from],
    ]);
  }

  async function left(): Promise<string[]> {
    const flows = await conntrack.listFlows('udp', family === 'IPv4' ? 'ipv4' : 'ipv6');
    return flows.map(f => `${f.originalDestination} ${f.originalPort} > ${f.replySource}`).sort();
  }

  const state = (...endpoints: string[]): UdpState[] => [
    {
      name: 'default/dns',
      addresses: [service],
      port: 53,
      nodePort: 30053,
      endpoints: endpoints.map(ip => `${ip} 5353`),
      answers: endpoints.length > 0,
    },
  ];
  const keeper = (): UdpFlowKeeper =>
    new UdpFlowKeeper({ family: family satisfies AddressFamily, conntrack, log: silentLogger });
  const now = (...endpoints: string[]) => new Map([['default/dns', state(...endpoints)]]);

  test('a proxy that starts ends flows to endpoints that went while it was away, and none else', async () => {
    await flow(service, 53, `${pod}3`, 5353);
    await flow(service, 53, `${pod}9`, 5353);
    await flow(service, 53, service);
    await flow(node, 30053, `${pod}9`, 5353);
    await flow(node, 30053, `${pod}3`, 5353);
    await flow(client, 30053, client);
    await flow(service, 54, `${pod}9`, 5353);
    await keeper().follow(now(`${pod}3`), true);
    expect(await left()).toEqual(
      [
        `${service} 53 > ${pod}3`,
        `${node} 30053 > ${pod}3`,
        `${client} 30053 > ${client}`,
        `${service} 54 > ${pod}9`,
      ].sort(),
    );
  });

  test('an endpoint that goes takes its flows along, wherever they came in', async () => {
    const it = keeper();
    await it.follow(now(`${pod}3`, `${pod}4`), true);
    for (const [to, port] of [
      [service, 53],
      [node, 30053],
    ] as const) {
      await flow(to, port, `${pod}3`, 5353);
      await flow(to, port, `${pod}4`, 5353);
    }
    await it.follow(now(`${pod}4`), false);
    expect(await left()).toEqual([`${service} 53 > ${pod}4`, `${node} 30053 > ${pod}4`].sort());
  });

  test('a service that gets its first endpoint is asked afresh', async () => {
    const it = keeper();
    await it.follow(now(), true);
    await flow(service, 53, service);
    await flow(node, 30053, node);
    await flow(service, 54, service);
    await it.follow(now(`${pod}3`), false);
    expect(await left()).toEqual([`${service} 54 > ${service}`]);
  });

  test('of many endpoints that go those with flows are looked for', async () => {
    const many = Array.from({ length: 20 }, (_, i) => `${pod}${i + 10}`);
    const commands: string[] = [];
    const counted = {
      listFlows: (...args: Parameters<Conntrack['listFlows']>) => conntrack.listFlows(...args),
      deleteFlows: (filter: Parameters<Conntrack['deleteFlows']>[0]) => {
        commands.push(filter.replySource ?? '');
        return conntrack.deleteFlows(filter);
      },
    };
    const it = new UdpFlowKeeper({ family, conntrack: counted, log: silentLogger });
    await it.follow(now(`${pod}3`, ...many), true);
    await flow(service, 53, `${pod}3`, 5353);
    await flow(service, 53, `${pod}15`, 5353);
    await it.follow(now(`${pod}3`), false);
    expect([await left(), commands]).toEqual([[`${service} 53 > ${pod}3`], [`${pod}15`]]);
  });

  test('a service that goes takes all of them, also when it is missing in a full write', async () => {
    const it = keeper();
    await it.follow(now(`${pod}3`), true);
    await flow(service, 53, `${pod}3`, 5353);
    await it.follow(new Map(), true);
    expect(await left()).toEqual([]);
  });
});

test('UdpFlowKeeper says once that the command is missing, and goes on', async () => {
  const warnings: string[] = [];
  const log = { ...silentLogger, warn: (_: object, message: string) => warnings.push(message) };
  const conntrack = new Conntrack({ prefix: [...prefix, 'env', 'PATH=/nowhere'] });
  const it = new UdpFlowKeeper({ family: 'IPv4', conntrack, log });
  const state: UdpState[] = [
    {
      name: 'a/b',
      addresses: ['10.96.0.20'],
      port: 53,
      nodePort: undefined,
      endpoints: ['10.244.0.3 53'],
      answers: true,
    },
  ];
  await it.follow(new Map([['a/b', state]]), true);
  await it.follow(new Map(), true);
  expect(warnings).toEqual([expect.stringContaining('conntrack command is missing')]);
});
