import { describe, expect, test } from '@jest/globals';
import type { Endpoint } from '../../../proto/api/discovery-v1.ts';
import { service, slice, testNode } from '../testdata/objects.ts';
import { computeServicePorts } from './compute-service-ports.ts';
import { computeStaleFlows, findStaleFlows } from './udp-flows.ts';
import type { UdpState } from './udp-flows.ts';

const dns = { name: 'dns', port: 53, protocol: 'UDP' };
const flow = { protocol: 'udp', family: 'IPv4' } as const;

function state(endpoints: (string | Endpoint)[], spec = {}, targetPort = 53): readonly UdpState[] {
  const object = service('d', { clusterIP: '10.96.0.21', ports: [dns], ...spec });
  return computeServicePorts(object, [slice('d', endpoints, [{ ...dns, port: targetPort }])], testNode).udp;
}

const terminating = (ip: string): Endpoint => ({
  addresses: [ip],
  conditions: { ready: false, serving: true, terminating: true },
});
const nodePort = { type: 'NodePort', ports: [{ ...dns, nodePort: 30053 }] };

describe('computeStaleFlows()', () => {
  test.each([
    { name: 'nothing changed', before: state(['10.244.0.3']), after: state(['10.244.0.3']), want: [] },
    {
      name: 'an endpoint went',
      before: state(['10.244.0.3', '10.244.0.4']),
      after: state(['10.244.0.3']),
      want: [{ ...flow, originalDestination: '10.96.0.21', originalPort: 53, replySource: '10.244.0.4' }],
    },
    {
      name: 'an endpoint terminates and still serves',
      before: state(['10.244.0.3', '10.244.0.4']),
      after: state(['10.244.0.3', terminating('10.244.0.4')]),
      want: [],
    },
    {
      name: 'the last endpoint went',
      before: state(['10.244.0.3'], nodePort),
      after: state([], nodePort),
      want: [
        { ...flow, originalDestination: '10.96.0.21', originalPort: 53 },
        { ...flow, originalPort: 30053 },
      ],
    },
    {
      name: 'an endpoint listens elsewhere',
      before: state(['10.244.0.3'], {}, 53),
      after: state(['10.244.0.3'], {}, 5353),
      want: [{ ...flow, originalDestination: '10.96.0.21', originalPort: 53 }],
    },
    {
      name: 'the first endpoint came',
      before: state([]),
      after: state(['10.244.0.3']),
      want: [{ ...flow, originalDestination: '10.96.0.21', originalPort: 53 }],
    },
    {
      name: 'a second endpoint came',
      before: state(['10.244.0.3']),
      after: state(['10.244.0.3', '10.244.0.4']),
      want: [],
    },
    {
      name: 'a node port and an external address came',
      before: state(['10.244.0.3']),
      after: state(['10.244.0.3'], { ...nodePort, externalIPs: ['192.0.2.7'] }),
      want: [
        { ...flow, originalDestination: '192.0.2.7', originalPort: 53 },
        { ...flow, originalPort: 30053 },
      ],
    },
    {
      name: 'a node port went',
      before: state(['10.244.0.3'], nodePort),
      after: state(['10.244.0.3']),
      want: [{ ...flow, originalPort: 30053 }],
    },
    {
      name: 'the service went',
      before: state(['10.244.0.3']),
      after: [],
      want: [{ ...flow, originalDestination: '10.96.0.21', originalPort: 53 }],
    },
    { name: 'a service without endpoints went', before: state([]), after: [], want: [] },
  ])('when $name', ({ before, after, want }) => {
    expect(computeStaleFlows('IPv4', before, after)).toEqual(want);
  });
});

describe('findStaleFlows()', () => {
  const states = [state(['10.244.0.3'], nodePort)];
  const known = (originalDestination: string, originalPort: number, replySource: string, replyPort = 53) => ({
    originalDestination,
    originalPort,
    replySource,
    replyPort,
  });

  test.each([
    { name: 'that go to an endpoint', flows: [known('10.96.0.21', 53, '10.244.0.3')], want: 0 },
    { name: 'to a former endpoint', flows: [known('10.96.0.21', 53, '10.244.0.9')], want: 1 },
    { name: 'that found none', flows: [known('10.96.0.21', 53, '10.96.0.21')], want: 1 },
    { name: 'of a node port to a former endpoint', flows: [known('192.0.2.1', 30053, '10.244.0.9')], want: 1 },
    { name: 'to somebody else on that port', flows: [known('198.51.100.1', 30053, '198.51.100.1', 30053)], want: 0 },
    { name: 'of no service', flows: [known('10.96.0.99', 53, '10.244.0.9')], want: 0 },
  ])('$name: $want', ({ flows, want }) => {
    expect(findStaleFlows('IPv4', flows, states)).toHaveLength(want);
  });

  test('leaves those of a service without endpoints alone', () => {
    expect(findStaleFlows('IPv4', [known('10.96.0.21', 53, '10.244.0.9')], [state([])])).toEqual([]);
  });
});
