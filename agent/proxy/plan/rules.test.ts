import { describe, expect, test } from '@jest/globals';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { service, slice, testNode } from '../testdata/objects.ts';
import { ipFamilyOf } from '../../../machinery/meta/value-shapes.ts';
import { cidrFamilyOf } from './address.ts';
import { computeServicePorts } from './compute-service-ports.ts';

const away = (ip: string, extra = {}) => ({
  addresses: [ip],
  nodeName: 'node-2',
  conditions: { ready: true },
  ...extra,
});

describe('computeServicePorts()', () => {
  const ports = (slices: EndpointSlice[], spec = {}) =>
    computeServicePorts(service('web', { clusterIP: '10.96.0.20', ...spec }), slices, testNode);
  const ips = (slices: EndpointSlice[]) => ports(slices).ports[0]?.clusterEndpoints.map(e => e.ip);

  test('uses ready endpoints, else those that serve while they terminate', () => {
    const leaving = { addresses: ['10.244.0.9'], conditions: { ready: false, serving: true, terminating: true } };
    const dead = { addresses: ['10.244.0.8'], conditions: { ready: false, serving: false, terminating: true } };
    expect(ips([slice('web', ['10.244.0.3', leaving, dead])])).toEqual(['10.244.0.3']);
    expect(ips([slice('web', [leaving, dead])])).toEqual(['10.244.0.9']);
    expect(ips([slice('web', [dead])])).toEqual([]);
  });

  test('takes an unknown readiness for ready', () => {
    expect(ips([slice('web', [{ addresses: ['10.244.0.3'] }])])).toEqual(['10.244.0.3']);
  });

  test('obeys hints only if all ready endpoints have them and one is for here', () => {
    const hinted = (ip: string, zone: string) => away(ip, { hints: { forZones: [{ name: zone }] } });
    expect(ips([slice('web', [hinted('10.244.1.1', 'a'), hinted('10.244.1.2', 'b')])])).toEqual(['10.244.1.1']);
    expect(ips([slice('web', [hinted('10.244.1.1', 'b'), hinted('10.244.1.2', 'b')])])).toHaveLength(2);
    expect(ips([slice('web', [hinted('10.244.1.1', 'a'), away('10.244.1.2')])])).toHaveLength(2);
    const onNode = away('10.244.1.3', { hints: { forNodes: [{ name: 'node-1' }] } });
    expect(ips([slice('web', [onNode, away('10.244.1.4', { hints: { forNodes: [{ name: 'node-2' }] } })])])).toEqual([
      '10.244.1.3',
    ]);
  });

  test('counts an address once and skips what is none', () => {
    expect(
      ips([slice('web', ['10.244.0.3', 'not-an-ip', '10.244.0.300']), slice('web', ['10.244.0.3'], undefined, 'y')]),
    ).toEqual(['10.244.0.3']);
  });

  test('reports bad addresses and ports and keeps the rest', () => {
    const { ports: good, problems } = ports([], {
      externalIPs: ['1.2.3', '192.0.2.1'],
      ports: [{ port: 70_000 }, { name: 'http', port: 80 }],
    });
    expect(good.map(p => [p.port, p.externalIPs])).toEqual([[80, ['192.0.2.1']]]);
    expect(problems).toEqual([expect.stringContaining('1.2.3'), expect.stringContaining('70000')]);
  });
});

test('ipFamilyOf() and cidrFamilyOf() know addresses from other text', () => {
  for (const good of ['::', '::1', 'fd00::1', '1:2:3:4:5:6:7:8', '::ffff:10.0.0.1'])
    expect(ipFamilyOf(good)).toBe('IPv6');
  for (const bad of [
    '',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    'g::1',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.256',
    'fe80::1%eth0',
  ])
    expect(ipFamilyOf(bad)).toBeUndefined();
  expect(cidrFamilyOf('10.0.0.0/8')).toBe('IPv4');
  for (const bad of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.0/ 8'])
    expect(cidrFamilyOf(bad)).toBeUndefined();
});
