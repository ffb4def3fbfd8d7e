import { describe, expect, test } from '@jest/globals';
import type { Service } from '../../../proto/api/core-v1.ts';
import { service } from '../testdata/objects.ts';
import { ServiceClaims, addressClaim, nodePortClaim } from './service-claims.ts';

function of(name: string, createdAt: string, externalIPs: string[], nodePort?: number): Service {
  const ports = [{ name: 'http', port: 80, ...(nodePort === undefined ? {} : { nodePort }) }];
  const made = service(name, { clusterIP: `10.96.0.${name.charCodeAt(0)}`, externalIPs, ports });
  return { ...made, metadata: { ...made.metadata, creationTimestamp: createdAt } };
}

const shared = addressClaim('203.0.113.5', 'TCP', 80);

describe('ServiceClaims', () => {
  test('the oldest holds what several ask for, whoever came first', () => {
    const claims = new ServiceClaims();
    expect(claims.replace(undefined, of('b', '2026-01-02', ['203.0.113.5']))).toEqual([]);
    expect(claims.replace(undefined, of('a', '2026-01-01', ['203.0.113.5']))).toEqual(['default/b']);
    expect(claims.rivalOf(shared, 'default/b')).toBe('default/a');
    expect(claims.rivalOf(shared, 'default/a')).toBeUndefined();
    expect(claims.rivalOf(addressClaim('203.0.113.5', 'UDP', 80), 'default/b')).toBeUndefined();
  });

  test('of one age the name decides, so that every node decides alike', () => {
    const claims = new ServiceClaims();
    claims.replace(undefined, of('b', '2026-01-01', [], 30080));
    claims.replace(undefined, of('a', '2026-01-01', [], 30080));
    expect(claims.rivalOf(nodePortClaim('TCP', 30080), 'default/b')).toBe('default/a');
  });

  test('who goes or asks no more leaves it to the next', () => {
    const claims = new ServiceClaims();
    const [a, b, c] = [1, 2, 3].map(day => of('abc'[day - 1] ?? '', `2026-01-0${day}`, ['203.0.113.5']));
    for (const one of [a, b, c]) claims.replace(undefined, one);
    const without = of('a', '2026-01-01', []);
    expect(claims.replace(a, without)).toEqual(['default/b', 'default/c']);
    expect(claims.rivalOf(shared, 'default/c')).toBe('default/b');
    expect(claims.replace(b, undefined)).toEqual(['default/c']);
    expect(claims.rivalOf(shared, 'default/c')).toBeUndefined();
    expect(claims.replace(c, undefined)).toEqual([]);
    expect(claims.rivalOf(shared, 'default/x')).toBeUndefined();
  });

  test('one that is made anew under its name is as young as it is', () => {
    const claims = new ServiceClaims();
    const [a, b] = [of('a', '2026-01-01', ['203.0.113.5']), of('b', '2026-01-02', ['203.0.113.5'])];
    claims.replace(undefined, a);
    claims.replace(undefined, b);
    expect(claims.replace(a, of('a', '2026-01-03', ['203.0.113.5']))).toEqual(['default/b']);
    expect(claims.rivalOf(shared, 'default/a')).toBe('default/b');
  });

  test('an address of a load balancer that no node answers keeps nobody from it', () => {
    const claims = new ServiceClaims();
    const ingress = (ipMode: 'VIP' | 'Proxy') => ({ loadBalancer: { ingress: [{ ip: '203.0.113.5', ipMode }] } });
    const balanced = (name: string, day: number, type: string, ipMode: 'VIP' | 'Proxy'): Service => {
      const made = of(name, `2026-01-0${day}`, []);
      return { ...made, spec: { ...made.spec, type }, status: ingress(ipMode) };
    };
    claims.replace(undefined, balanced('a', 1, 'LoadBalancer', 'Proxy'));
    claims.replace(undefined, balanced('b', 2, 'ClusterIP', 'VIP'));
    expect(claims.rivalOf(shared, 'default/c')).toBeUndefined();
    claims.replace(undefined, balanced('c', 3, 'LoadBalancer', 'VIP'));
    expect(claims.rivalOf(shared, 'default/d')).toBe('default/c');
  });

  test('IPv6 addresses are compared as addresses', () => {
    const claims = new ServiceClaims();
    claims.replace(undefined, of('a', '2026-01-01', ['FD00:0:0::5']));
    claims.replace(undefined, of('b', '2026-01-02', ['fd00::0:5']));
    expect(claims.rivalOf(addressClaim('fd00::5', 'TCP', 80), 'default/b')).toBe('default/a');
  });
});
