import { describe, expect, test } from '@jest/globals';
import { configMaps, endpointSlices, services } from '../machinery/client/resource.ts';
import type { Service } from '../proto/api/core-v1.ts';
import type { EndpointSlice } from '../proto/api/discovery-v1.ts';
import { KeptObjects } from './kept-objects.ts';
import { computeServicePorts } from './proxy/plan/compute-service-ports.ts';
import { testNode } from './proxy/testdata/objects.ts';

const metadata = {
  name: 'web',
  namespace: 'default',
  uid: 'u1',
  resourceVersion: '7',
  creationTimestamp: '2026-01-01T00:00:00Z',
  managedFields: [{ manager: 'x' }],
};

const web: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { ...metadata, labels: { app: 'web' }, annotations: { large: 'x' } },
  spec: {
    type: 'LoadBalancer',
    clusterIP: '10.96.0.20',
    clusterIPs: ['10.96.0.20'],
    ipFamilies: ['IPv4'],
    externalIPs: ['203.0.113.5'],
    selector: { app: 'web' },
    ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080, nodePort: 30080 }],
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
    externalTrafficPolicy: 'Local',
    internalTrafficPolicy: 'Local',
    healthCheckNodePort: 32000,
    loadBalancerSourceRanges: ['192.0.2.0/24'],
    publishNotReadyAddresses: true,
  },
  status: { loadBalancer: { ingress: [{ ip: '203.0.113.6', ipMode: 'VIP' }] } },
};

const slice: EndpointSlice = {
  metadata: {
    ...metadata,
    name: 'web-1',
    labels: { app: 'web', 'kubernetes.io/service-name': 'web', 'service.kubernetes.io/headless': '' },
    annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z' },
  },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints: [
    {
      addresses: ['10.244.0.3'],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: 'node-1',
      hostname: 'web-0',
      hints: { forZones: [{ name: 'a' }] },
      targetRef: { kind: 'Pod', name: 'web-0' },
      zone: 'a',
    },
    { addresses: ['10.244.0.4'], conditions: { ready: false, serving: true, terminating: true } },
    { addresses: ['10.244.0.5'] },
  ],
};

describe('KeptObjects', () => {
  const kept = new KeptObjects();

  test('the proxy plans the same of what is kept', () => {
    const want = computeServicePorts(web, [slice], testNode);
    expect(want.ports[0]?.clusterEndpoints).toHaveLength(2);
    expect(computeServicePorts(kept.service(web), [kept.slice(slice)], testNode)).toEqual(want);
  });

  test('what nobody reads is gone, what DNS and handlers read is there', () => {
    const text = JSON.stringify([kept.service(web), kept.slice(slice)]);
    for (const gone of ['managedFields', 'selector', 'targetRef', 'app', 'large', 'targetPort'])
      expect(text).not.toContain(gone);
    const one = kept.slice(slice);
    expect(one.metadata).toMatchObject({
      resourceVersion: '7',
      labels: { 'service.kubernetes.io/headless': '' },
    });
    expect(one.metadata.annotations).toEqual(slice.metadata.annotations);
    expect(one.endpoints?.[0]?.hostname).toBe('web-0');
    const external = { ...web, spec: { type: 'ExternalName', externalName: 'example.com' } };
    expect(kept.service(external).spec).toMatchObject({ type: 'ExternalName', externalName: 'example.com' });
  });

  test('what is equal in many is one and the same', () => {
    const [a, b] = [kept.slice(structuredClone(slice)), kept.slice(structuredClone(slice))];
    expect(a.ports).toBe(b.ports);
    expect(a.endpoints?.[0]?.conditions).toBe(b.endpoints?.[0]?.conditions);
  });

  test('also after many that are not: node ports by the thousand', () => {
    const ports = Array.from({ length: 2_500 }, (_, i) => ({ port: 80, nodePort: 30_000 + i }));
    for (const port of ports) kept.service({ ...web, spec: { ...web.spec, ports: [port] } });
    const [a, b] = [kept.slice(structuredClone(slice)), kept.slice(structuredClone(slice))];
    expect(a.endpoints?.[0]?.conditions).toBe(b.endpoints?.[0]?.conditions);
  });

  test('other resources are kept whole', () => {
    expect(kept.of(configMaps)).toBeUndefined();
    expect(kept.of(services)?.(web)).toEqual(kept.service(web));
    expect(kept.of(endpointSlices)?.(slice)).toEqual(kept.slice(slice));
  });
});
