import { describe, expect, test } from '@jest/globals';
import type { Service } from '../../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { endpointSlices, services } from '../../../machinery/client/resource.ts';
import { ManualInformer } from '../../proxy/testdata/objects.ts';
import { ListerRecords } from '../lister-records.ts';
import { answerQuestion } from './answer-question.ts';
import { isHandedOver } from './decide-handover.ts';
import { addressOfDashes, fullAddress, parseReverseName, reverseZoneOf } from './reverse-name.ts';
import { parseZonePath, subjectOf } from './zone-path.ts';
import type { ZoneOptions } from './zone-records.ts';

const svcs = new ManualInformer<Service>(services);
const slices = new ManualInformer<EndpointSlice>(endpointSlices);
const records = new ListerRecords({ services: svcs, endpointSlices: slices });
const zone: ZoneOptions = {
  domain: 'cluster.local',
  ttlSeconds: 5,
  serverIPs: ['10.96.0.10', 'fd00::a'],
  ownCIDRs: ['10.244.0.0/16', '10.96.0.0/12', 'fd00::/108', 'fd01::/64'],
};

const svc = (name: string, spec: Partial<Service['spec']>): Service => ({
  metadata: { namespace: 'default', name },
  spec: { ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec },
});
const slice = (of: string, name: string, more: Partial<EndpointSlice>): EndpointSlice => ({
  metadata: {
    namespace: 'default',
    name,
    labels: { 'kubernetes.io/service-name': of, 'service.kubernetes.io/headless': '' },
  },
  addressType: 'IPv4',
  endpoints: [],
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  ...more,
});
for (const one of [
  svc('web', {
    clusterIP: '10.96.0.20',
    clusterIPs: ['10.96.0.20', 'fd00::20'],
    ports: [
      { name: 'http', port: 80, protocol: 'TCP' },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ],
  }),
  svc('plain', { clusterIP: '10.96.0.21', ports: [{ port: 80, protocol: 'TCP' }] }),
  svc('db', { clusterIP: 'None' }),
  svc('void', { clusterIP: 'None' }),
  svc('ext', { type: 'ExternalName', externalName: 'Example.org.' }),
])
  svcs.set(one);
slices.set(
  slice('db', 'db-1', {
    endpoints: [
      { addresses: ['10.244.0.5'], hostname: 'db-0', conditions: { ready: true } },
      { addresses: ['10.244.0.6'], conditions: {} },
      { addresses: ['10.244.0.7'], hostname: 'db-2', conditions: { ready: false } },
    ],
  }),
);
slices.set(
  slice('db', 'db-2', {
    addressType: 'IPv6',
    endpoints: [{ addresses: ['fd01::5'], hostname: 'db-0', conditions: {} }],
  }),
);

function ask(name: string, type: string): string {
  const answer = answerQuestion({ name, type }, parseZonePath(name.toLowerCase(), 'cluster.local'), records, zone);
  if (answer.kind === 'forward') return 'forward';
  if (answer.kind === 'alias') return `alias ${answer.target}`;
  const data = answer.answers.map(r =>
    r.type === 'SRV' ? `${r.data.target}:${r.data.port}` : typeof r.data === 'string' ? r.data : 'SOA',
  );
  // What is not there says so with the SOA of the zone; what is there does not.
  const soa = answer.authorities.map(r => (r.name === 'cluster.local' ? 'soa' : `soa(${r.name})`));
  return [answer.rcode, ...data, ...soa].join(' ');
}

const q = 'svc.cluster.local';
const v6 = (tail: string, zeros: number, head: string): string =>
  [...tail, ...'0'.repeat(zeros), ...head].join('.') + '.ip6.arpa';

test.each([
  // Services of both families.
  [`web.default.${q}`, 'A', 'NOERROR 10.96.0.20'],
  [`WEB.Default.${q}`, 'A', 'NOERROR 10.96.0.20'],
  [`web.default.${q}`, 'AAAA', 'NOERROR fd00::20'],
  [`web.default.${q}`, 'ANY', 'NOERROR 10.96.0.20 fd00::20'],
  [`plain.default.${q}`, 'AAAA', 'NOERROR soa'],
  [`web.default.${q}`, 'HTTPS', 'NOERROR soa'],
  [`nope.default.${q}`, 'A', 'NXDOMAIN soa'],
  [`web.nowhere.${q}`, 'A', 'NXDOMAIN soa'],
  // Ports.
  [`web.default.${q}`, 'SRV', `NOERROR web.default.${q}:80 web.default.${q}:53`],
  [`plain.default.${q}`, 'SRV', `NOERROR plain.default.${q}:80`],
  [`_http._tcp.web.default.${q}`, 'SRV', `NOERROR web.default.${q}:80`],
  [`_HTTP._TCP.web.default.${q}`, 'SRV', `NOERROR web.default.${q}:80`],
  [`_dns._udp.web.default.${q}`, 'SRV', `NOERROR web.default.${q}:53`],
  [`_http._tcp.web.default.${q}`, 'A', 'NOERROR soa'],
  [`_http._udp.web.default.${q}`, 'SRV', 'NXDOMAIN soa'],
  [`_x._tcp.web.default.${q}`, 'SRV', 'NXDOMAIN soa'],
  [`_._tcp.plain.default.${q}`, 'SRV', 'NXDOMAIN soa'],
  [`a._http._tcp.web.default.${q}`, 'SRV', 'NXDOMAIN soa'],
  // Names above others exist, and have nothing.
  [`_tcp.web.default.${q}`, 'SRV', 'NOERROR soa'],
  [`_tcp.plain.default.${q}`, 'SRV', 'NXDOMAIN soa'],
  [`_sctp.web.default.${q}`, 'SRV', 'NXDOMAIN soa'],
  [`_tcp.db.default.${q}`, 'A', 'NOERROR soa'],
  [`default.${q}`, 'A', 'NOERROR soa'],
  [`nowhere.${q}`, 'A', 'NXDOMAIN soa'],
  [q, 'A', 'NOERROR soa'],
  ['pod.cluster.local', 'A', 'NOERROR soa'],
  ['default.pod.cluster.local', 'A', 'NOERROR soa'],
  ['nowhere.pod.cluster.local', 'A', 'NXDOMAIN soa'],
  ['dns.cluster.local', 'A', 'NOERROR soa'],
  // Headless services of both families, and their pods by name.
  [`db.default.${q}`, 'A', 'NOERROR 10.244.0.5 10.244.0.6'],
  [`db.default.${q}`, 'AAAA', 'NOERROR fd01::5'],
  [`db-0.db.default.${q}`, 'A', 'NOERROR 10.244.0.5'],
  [`db-0.db.default.${q}`, 'AAAA', 'NOERROR fd01::5'],
  [`10-244-0-6.db.default.${q}`, 'A', 'NOERROR 10.244.0.6'],
  [`10-244-0-6.db.default.${q}`, 'AAAA', 'NOERROR soa'],
  [`db-2.db.default.${q}`, 'A', 'NXDOMAIN soa'],
  [`a.db-0.db.default.${q}`, 'A', 'NXDOMAIN soa'],
  [`_http._tcp.db.default.${q}`, 'SRV', `NOERROR db-0.db.default.${q}:8080 10-244-0-6.db.default.${q}:8080`],
  [`void.default.${q}`, 'A', 'NXDOMAIN soa'],
  // Aliases, whatever is asked.
  [`ext.default.${q}`, 'CNAME', 'NOERROR example.org'],
  [`ext.default.${q}`, 'A', 'alias example.org'],
  [`ext.default.${q}`, 'TXT', 'alias example.org'],
  [`a.ext.default.${q}`, 'A', 'NXDOMAIN soa'],
  // Pods by address.
  ['10-244-0-9.default.pod.cluster.local', 'A', 'NOERROR 10.244.0.9'],
  ['10-244-0-9.default.pod.cluster.local', 'AAAA', 'NOERROR soa'],
  ['fd01--9.default.pod.cluster.local', 'AAAA', 'NOERROR fd01::9'],
  ['10-244-0-900.default.pod.cluster.local', 'A', 'NXDOMAIN soa'],
  ['a.10-244-0-9.default.pod.cluster.local', 'A', 'NXDOMAIN soa'],
  // Addresses to names; what is ours and unknown is not asked elsewhere.
  ['20.0.96.10.in-addr.arpa', 'PTR', `NOERROR web.default.${q}`],
  ['20.0.96.10.IN-ADDR.arpa', 'PTR', `NOERROR web.default.${q}`],
  ['20.0.96.10.in-addr.arpa', 'A', 'NOERROR soa(96.10.in-addr.arpa)'],
  ['5.0.244.10.in-addr.arpa', 'PTR', `NOERROR db-0.db.default.${q}`],
  ['9.0.244.10.in-addr.arpa', 'PTR', 'NXDOMAIN soa(244.10.in-addr.arpa)'],
  ['1.2.111.10.in-addr.arpa', 'PTR', 'NXDOMAIN soa(111.10.in-addr.arpa)'],
  ['0.244.10.in-addr.arpa', 'PTR', 'NOERROR soa(244.10.in-addr.arpa)'],
  ['244.10.in-addr.arpa', 'PTR', 'NOERROR soa(244.10.in-addr.arpa)'],
  ['10.in-addr.arpa', 'PTR', 'forward'],
  ['1.2.112.10.in-addr.arpa', 'PTR', 'forward'],
  ['8.8.8.8.in-addr.arpa', 'PTR', 'forward'],
  ['x.8.8.8.in-addr.arpa', 'PTR', 'forward'],
  [v6('02', 26, '00df'), 'PTR', `NOERROR web.default.${q}`],
  [v6('5', 27, '10df'), 'PTR', `NOERROR db-0.db.default.${q}`],
  [v6('6', 27, '10df'), 'PTR', `NXDOMAIN soa(${v6('', 12, '10df')})`],
  [v6('6', 27, '30df'), 'PTR', 'forward'],
  // The zone itself, and what is none of it.
  ['cluster.local', 'SOA', 'NOERROR SOA'],
  ['cluster.local', 'NS', 'NOERROR ns.dns.cluster.local'],
  ['cluster.local', 'A', 'NOERROR soa'],
  ['ns.dns.cluster.local', 'A', 'NOERROR 10.96.0.10'],
  ['ns.dns.cluster.local', 'AAAA', 'NOERROR fd00::a'],
  ['dns-version.cluster.local', 'TXT', 'NOERROR 1.1.0'],
  ['dns-version.cluster.local', 'A', 'NOERROR soa'],
  ['example.org.cluster.local', 'A', 'NXDOMAIN soa'],
  [`example.org.default.${q}`, 'A', 'NXDOMAIN soa'],
  [`example.org.${q}`, 'A', 'NXDOMAIN soa'],
  ['example.org', 'A', 'forward'],
  ['xcluster.local', 'A', 'forward'],
  ['', 'NS', 'forward'],
])('answerQuestion() %s %s: %s', (name, type, want) => {
  expect(ask(name, type)).toBe(want);
});

test('subjectOf() names the service whose changes matter', () => {
  const of = (name: string): string => subjectOf(parseZonePath(name, 'cluster.local'));
  expect(of(`web.default.${q}`)).toBe('default/web');
  expect(of(`_http._tcp.web.default.${q}`)).toBe('default/web');
  expect([of(`default.${q}`), of('1.0.96.10.in-addr.arpa'), of('x.cluster.local')]).toEqual(['', '', '']);
});

describe('addresses and names', () => {
  test('reverse names and dashes', () => {
    expect(parseReverseName('1.2.3.in-addr.arpa')?.address).toBeUndefined();
    expect(parseReverseName('300.2.3.4.in-addr.arpa')).toBeUndefined();
    expect(parseReverseName('1.2.3.4.5.in-addr.arpa')).toBeUndefined();
    expect(fullAddress('fd00::20')).toBe('fd00:0000:0000:0000:0000:0000:0000:0020');
    expect(fullAddress('::ffff:10.0.0.1')).toBe('0000:0000:0000:0000:0000:ffff:0a00:0001');
    expect(addressOfDashes('fd00--20')).toBe('fd00::20');
    expect(addressOfDashes('--1')).toBe('::1');
    expect(addressOfDashes('a--b--c')).toBeUndefined();
    expect(addressOfDashes('web')).toBeUndefined();
  });

  test('reverseZoneOf() is that of a range of the same family alone', () => {
    const four = parseReverseName('4.3.96.10.in-addr.arpa');
    if (four === undefined) throw new Error('not read');
    expect(reverseZoneOf(four, '10.96.0.0/12')).toBe('96.10.in-addr.arpa');
    expect(reverseZoneOf(four, '10.96.3.0/24')).toBe('3.96.10.in-addr.arpa');
    expect(reverseZoneOf(four, '10.97.0.0/16')).toBeUndefined();
    expect(reverseZoneOf(four, 'fd00::/8')).toBeUndefined();
  });
});

describe('isHandedOver()', () => {
  const dns = svc('kube-dns', { clusterIP: '10.96.0.10' });
  const ports = [{ name: 'dns', port: 53, protocol: 'UDP' as const }];
  const ready = [{ addresses: ['10.244.0.9'], conditions: { ready: true } }];
  test.each([
    ['others answer', '10.96.0.10', dns, slice('d', 'd', { endpoints: ready, ports }), true],
    ['of the other family', 'fd00::a', dns, slice('d', 'd', { endpoints: ready, ports }), false],
    [
      'none is ready',
      '10.96.0.10',
      dns,
      slice('d', 'd', { endpoints: [{ addresses: ['10.244.0.9'], conditions: { ready: false } }], ports }),
      false,
    ],
    ['they do something else', '10.96.0.10', dns, slice('d', 'd', { endpoints: ready }), false],
    ['the Service is gone', '10.96.0.10', undefined, slice('d', 'd', { endpoints: ready, ports }), false],
  ])('%s', (_, address, service, one, want) => {
    expect(isHandedOver(address, service, [one])).toBe(want);
  });
});
