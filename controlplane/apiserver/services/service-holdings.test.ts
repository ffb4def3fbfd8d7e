/** Two API servers' worth of allocation on one store, and what the repair makes of crashes. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { EventSink } from '../../../machinery/client/event-recorder.ts';
import type { StatusError } from '../../../machinery/meta/status-error.ts';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { RangeAllocation, Service, ServiceSpec } from '../../../proto/api/core-v1.ts';
import type { IPAddress, ServiceCIDR } from '../../../proto/api/networking-v1.ts';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import type { Reservation } from '../registry/served-resource.ts';
import { openStorage } from '../storage/open-storage.ts';
import type { ResourceStorage, Storage } from '../storage/storage.ts';
import { AddressRange } from './address-range.ts';
import { NODE_PORT_STORAGE, NodePortRecord } from './node-port-record.ts';
import { PortRange } from './port-range.ts';
import { ServiceAddresses } from './service-addresses.ts';
import { ServiceHooks } from './service-hooks.ts';
import { ServiceRepair } from './service-repair.ts';

const CONTEXT = { nowMs: 0, user: { name: 'u', groups: [] }, dryRun: false };
const resource = (group: string, plural: string, kind: string, prefix: string): Parameters<Storage['resource']>[0] => ({
  group,
  resource: plural,
  apiVersion: group === '' ? 'v1' : `${group}/v1`,
  kind,
  prefix,
});

/** What one API server has. */
class Server {
  readonly storage: Storage;
  readonly services: ResourceStorage<Service>;
  readonly addresses: ResourceStorage<IPAddress>;
  readonly record: NodePortRecord;
  readonly hooks: ServiceHooks;
  readonly repair: ServiceRepair;
  readonly told: string[] = [];

  constructor(store: MemoryStore, clock: FakeClock, ranges: readonly string[] = ['10.0.0.0/28']) {
    this.storage = openStorage({ store, clock, logger: silentLogger });
    this.services = this.storage.resource(resource('', 'services', 'Service', '/registry/services/specs/'));
    this.addresses = this.storage.resource(
      resource('networking.k8s.io', 'ipaddresses', 'IPAddress', '/registry/ipaddresses/'),
    );
    const cidrs = this.storage.resource<ServiceCIDR>(
      resource('networking.k8s.io', 'servicecidrs', 'ServiceCIDR', '/registry/servicecidrs/'),
    );
    const defaults = ranges.map(range => new AddressRange(range));
    const taking = new ServiceAddresses({ addresses: this.addresses, cidrs, defaults, clock });
    this.record = new NodePortRecord(
      new PortRange('30000-30009'),
      this.storage.resource<RangeAllocation>(NODE_PORT_STORAGE),
    );
    this.hooks = new ServiceHooks(taking, this.record, silentLogger);
    const events: EventSink = { event: (_subject, _type, reason) => this.told.push(reason) };
    this.repair = new ServiceRepair({
      ...{ services: this.services, addresses: this.addresses, cidrs, defaults, taking, record: this.record },
      ...{ addressEvents: events, portEvents: events, clock, logger: silentLogger },
    });
  }

  /** Takes what a new Service needs, without writing it. */
  async take(name: string, spec: ServiceSpec): Promise<{ service: Service; held: Reservation | undefined }> {
    const service: Service = {
      metadata: { name, namespace: 'n', uid: name },
      spec: { type: 'NodePort', ports: [{ port: 80, protocol: 'TCP' }], ...spec },
    };
    this.hooks.settle(service, undefined);
    return { service, held: await this.hooks.beforeCreate(service, CONTEXT) };
  }

  async create(name: string, spec: ServiceSpec = {}): Promise<Service> {
    const { service } = await this.take(name, spec);
    return (await this.services.create('n', name, service)).object;
  }

  async held(): Promise<string[]> {
    return (await this.addresses.list()).items.map(item => item.name);
  }

  async ports(): Promise<number[]> {
    return (await this.record.current()).ports();
  }
}

let clock: FakeClock;
let store: MemoryStore;
let one: Server;
let two: Server;

beforeEach(() => {
  clock = new FakeClock(1_000_000_000_000);
  store = new MemoryStore(clock);
  one = new Server(store, clock);
  two = new Server(store, clock);
});

afterEach(async () => {
  await one.storage.close();
  await two.storage.close();
});

const text = (outcome: PromiseSettledResult<Service>): string =>
  outcome.status === 'fulfilled' ? 'ok' : (outcome.reason as StatusError).message;

describe('allocation', () => {
  test('two servers on one store never give an address or a port twice', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 14 }, (_, i) => (i % 2 === 0 ? one : two).create(`s${i}`)),
    );
    const made = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    expect(outcomes.map(text).filter(message => message !== 'ok')).toEqual(
      Array<string>(4).fill('Internal error occurred: failed to allocate a nodePort: range is full'),
    );
    expect(new Set(made.map(({ spec }) => spec.clusterIP)).size).toBe(10);
    expect(new Set(made.map(({ spec }) => spec.ports?.[0]?.nodePort)).size).toBe(10);
    // Those that got no port gave their address back.
    expect(await two.held()).toHaveLength(10);
  });

  test('an address is an IPAddress object that names its Service and goes with it', async () => {
    const service = await one.create('s', { clusterIP: '10.0.0.5', clusterIPs: ['10.0.0.5'] });
    expect((await two.addresses.get('', '10.0.0.5')).object).toMatchObject({
      metadata: {
        labels: {
          'ipaddress.kubernetes.io/ip-family': 'IPv4',
          'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
        },
      },
      spec: { parentRef: { resource: 'services', namespace: 'n', name: 's' } },
    });
    await one.hooks.afterDelete(service);
    expect([await two.held(), await two.ports()]).toEqual([[], []]);
  });

  test.each<[string, ServiceSpec, string]>([
    [
      'address taken',
      { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'] },
      'Service "s" is invalid: spec.clusterIPs: Invalid value: ["10.0.0.1"]: failed to allocate IP 10.0.0.1: provided IP is already allocated',
    ],
    [
      'address outside',
      { clusterIP: '10.1.0.1', clusterIPs: ['10.1.0.1'] },
      'Service "s" is invalid: spec.clusterIPs: Invalid value: ["10.1.0.1"]: failed to allocate IP 10.1.0.1: the provided IP (10.1.0.1) is not in the valid range. The range of valid IPs is 10.0.0.0/28',
    ],
    [
      'port taken',
      { ports: [{ port: 1, nodePort: 30001 }] },
      'Service "s" is invalid: spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated',
    ],
    [
      'port outside',
      { ports: [{ port: 1 }, { port: 2, nodePort: 80 }] },
      'Service "s" is invalid: spec.ports[1].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-30009',
    ],
  ])('what cannot be had is refused, and nothing stays taken: %s', async (_name, spec, message) => {
    await two.create('first', {
      clusterIP: '10.0.0.1',
      clusterIPs: ['10.0.0.1'],
      ports: [{ port: 1, nodePort: 30001 }],
    });
    await expect(one.create('s', spec)).rejects.toThrow(message);
    expect([await two.held(), await two.ports()]).toEqual([['10.0.0.1'], [30001]]);
  });

  test('ports of one number share a node port, whatever their protocols', async () => {
    const { spec } = await one.create('s', {
      ports: [
        { port: 53, protocol: 'UDP' },
        { port: 53, protocol: 'TCP' },
        { port: 80, protocol: 'TCP' },
      ],
    });
    const [udp, tcp, http] = (spec.ports ?? []).map(port => port.nodePort);
    expect(tcp).toBe(udp);
    expect(http).not.toBe(udp);
    expect(await one.ports()).toHaveLength(2);
  });

  test('a LoadBalancer without node ports takes only the one it names and the one for health checks', async () => {
    const { spec } = await one.create('s', {
      type: 'LoadBalancer',
      allocateLoadBalancerNodePorts: false,
      externalTrafficPolicy: 'Local',
      ports: [{ port: 80 }, { port: 81, nodePort: 30002 }],
    });
    expect(spec.ports?.map(port => port.nodePort)).toEqual([undefined, 30002]);
    expect((await one.ports()).sort()).toEqual([30002, spec.healthCheckNodePort].sort());
  });

  test('a change of type frees what is not needed any more, once it is written', async () => {
    const older = await one.create('s');
    const object: Service = { ...older, spec: { type: 'ExternalName', externalName: 'x.example' } };
    const reserved = await one.hooks.beforeUpdate(object, older, CONTEXT);
    expect(await one.held()).toHaveLength(1);
    await reserved?.commit();
    expect([await one.held(), await one.ports()]).toEqual([[], []]);
  });

  test('a dry run takes nothing', async () => {
    const service: Service = {
      metadata: { name: 's', namespace: 'n' },
      spec: { type: 'NodePort', ports: [{ port: 80 }] },
    };
    one.hooks.settle(service, undefined);
    await one.hooks.beforeCreate(service, { ...CONTEXT, dryRun: true });
    expect(service.spec.clusterIP).toMatch(/^10\.0\.0\.\d+$/);
    expect([await one.held(), await one.ports()]).toEqual([[], []]);
  });
});

describe('repair', () => {
  test('a server that has just started finds nothing wrong where nothing is', async () => {
    await one.create('s');
    await two.repair.repair();
    expect(two.told).toEqual([]);
  });

  test('what a crash left taken is freed, after the time that a request may take', async () => {
    await one.take('never-written', {});
    await two.repair.repair();
    expect([await two.held(), await two.ports()]).toEqual([[expect.anything()], [expect.anything()]]);
    await clock.advance(61_000);
    await two.repair.repair();
    await two.repair.repair();
    expect([await two.held(), await two.ports(), two.told]).toEqual([[], [], ['IPAddressNotAllocated']]);
  });

  test('what is used and not recorded is recorded again', async () => {
    const service = await one.create('s');
    await one.hooks.afterDelete(service);
    await two.repair.repair();
    expect(await two.held()).toEqual([service.spec.clusterIP]);
    expect(await two.ports()).toEqual([service.spec.ports?.[0]?.nodePort]);
    expect(two.told).toEqual(['ClusterIPNotAllocated', 'PortNotAllocated']);
    await two.repair.repair();
    expect(two.told).toHaveLength(2);
  });

  test('an address or port of two services, or of no range, is told', async () => {
    const { spec } = await one.create('a');
    await one.services.create('n', 'b', { metadata: { name: 'b', namespace: 'n', uid: 'b' }, spec });
    await one.services.create('n', 'c', {
      metadata: { name: 'c', namespace: 'n', uid: 'c' },
      spec: { clusterIP: '10.9.9.9', clusterIPs: ['10.9.9.9'], ports: [{ port: 1, nodePort: 80 }] },
    });
    await one.repair.repair();
    expect(one.told).toEqual([
      'ClusterIPAlreadyAllocated',
      'ClusterIPOutOfRange',
      'PortAlreadyAllocated',
      'PortOutOfRange',
    ]);
    expect(await one.held()).toEqual([spec.clusterIP]);
  });

  test('the ServiceCIDR kubernetes shows the configured ranges and is ready', async () => {
    await one.repair.repair();
    const cidr = await one.storage
      .resource<ServiceCIDR>(resource('networking.k8s.io', 'servicecidrs', 'ServiceCIDR', '/registry/servicecidrs/'))
      .get('', 'kubernetes');
    expect(cidr.object).toMatchObject({
      spec: { cidrs: ['10.0.0.0/28'] },
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    });
  });

  test('it shows the second family too that the cluster gets; services get addresses of it by their policy', async () => {
    await one.repair.repair();
    const single = await one.create('s');
    const dual = new Server(store, clock, ['10.0.0.0/28', 'fd00::/120']);
    await dual.repair.repair();
    const cidrs = dual.storage.resource<ServiceCIDR>(
      resource('networking.k8s.io', 'servicecidrs', 'ServiceCIDR', '/registry/servicecidrs/'),
    );
    expect((await cidrs.get('', 'kubernetes')).object.spec.cidrs).toEqual(['10.0.0.0/28', 'fd00::/120']);
    const next: Service = { ...single, spec: { ...single.spec, ipFamilyPolicy: 'PreferDualStack' } };
    dual.hooks.settle(next, single);
    await dual.hooks.beforeUpdate(next, single, CONTEXT);
    expect(next.spec.clusterIPs).toEqual([single.spec.clusterIP, expect.stringMatching(/^fd00::/)]);
    expect(await dual.held()).toEqual([...(next.spec.clusterIPs ?? [])].sort());
    await dual.storage.close();
  });
});
