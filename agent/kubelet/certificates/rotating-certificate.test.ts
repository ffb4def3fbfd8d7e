import { describe, expect, test } from '@jest/globals';
import { createAuthority, DAY_MS, issueKeyPair, type KeyPair } from '../../../machinery/pki/certificate.ts';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import { MetricsRegistry } from '../../../machinery/process/metrics.ts';
import { CertificateMetrics } from './certificate-metrics.ts';
import { hasNames, namesOfNode, rotationTimeMs, type CertificateNames } from './plan/rotation.ts';
import { RotatingCertificate } from './rotating-certificate.ts';

const clock = new FakeClock();
const authority = createAuthority('ca', clock.now());
const issue = ({ dnsNames, ipAddresses }: CertificateNames, nowMs: number): KeyPair =>
  issueKeyPair(authority, {
    subject: { commonName: 'system:node:n' },
    usages: ['server'],
    dnsNames: [...dnsNames],
    ipAddresses: [...ipAddresses],
    notBeforeMs: nowMs,
    notAfterMs: nowMs + 10 * DAY_MS,
  });
const NAMES = { dnsNames: ['n'], ipAddresses: ['10.0.0.1'] };

function rotating({ failures = 0, isMakeshift = false } = {}) {
  const own = new FakeClock(clock.now());
  const registry = new MetricsRegistry();
  const asked: CertificateNames[] = [];
  let renewed = 0;
  const certificate: RotatingCertificate = new RotatingCertificate({
    kind: 'server',
    source: {
      pair: issue(NAMES, own.now()),
      isMakeshift,
      renew: async names => {
        asked.push(names);
        if (asked.length <= failures) throw new Error('nobody approves');
        // A node tells its names again and again.
        certificate.setNames({ ...names });
        return issue(names, own.now());
      },
    },
    onRenewed: () => void renewed++,
    metrics: new CertificateMetrics(registry, own),
    clock: own,
    logger: silentLogger,
    random: () => 0.5,
  });
  certificate.setNames(NAMES);
  const abort = new AbortController();
  const done = certificate.run(abort.signal);
  const stop = async (): Promise<void> => {
    abort.abort();
    await done;
  };
  return { certificate, clock: own, asked, renewals: () => renewed, stop, metric: () => registry.render() };
}

describe('RotatingCertificate', () => {
  test('gets another when most of its life is over, and not before', async () => {
    const it = rotating();
    const first = it.certificate.current;
    await it.clock.advance(7.9 * DAY_MS);
    expect(it.asked).toHaveLength(0);
    await it.clock.advance(0.2 * DAY_MS);
    expect([it.asked.length, it.renewals(), it.certificate.current === first]).toEqual([1, 1, false]);
    await it.clock.advance(7.8 * DAY_MS);
    expect(it.asked).toHaveLength(1);
    await it.stop();
  });

  test('gets another at once when the node is reached by a new name', async () => {
    const it = rotating();
    it.certificate.setNames({ ...NAMES, ipAddresses: ['10.0.0.1', '10.0.0.2'] });
    await it.clock.advance(0);
    expect(it.asked).toEqual([{ dnsNames: ['n'], ipAddresses: ['10.0.0.1', '10.0.0.2'] }]);
    it.certificate.setNames(NAMES);
    await it.clock.advance(DAY_MS);
    expect(it.asked).toHaveLength(1);
    await it.stop();
  });

  test('replaces a makeshift at once, again and again if need be, and counts', async () => {
    const it = rotating({ isMakeshift: true, failures: 2 });
    await it.clock.advance(10_000);
    expect([it.asked.length, it.renewals()]).toEqual([3, 1]);
    expect(it.metric()).toContain('kubelet_server_expiration_renew_errors 2\n');
    expect(it.metric()).toContain('kubelet_certificate_manager_server_rotation_seconds_count 1\n');
    expect(it.metric()).toMatch(/kubelet_certificate_manager_server_ttl_seconds 86[34]\d{3}\n/);
    await it.stop();
  });
});

test('rotationTimeMs() lies between 70 and 90 % of a life', () => {
  const { certPem } = issue(NAMES, clock.now());
  const share = (random: number): number => (rotationTimeMs(certPem, random) - clock.now()) / (10 * DAY_MS);
  expect(share(0)).toBeCloseTo(0.7);
  expect(share(0.999)).toBeCloseTo(0.9);
});

test('namesOfNode() has each address once, by what it is', () => {
  const addresses = [
    { type: 'InternalIP', address: '10.0.0.1' },
    { type: 'ExternalIP', address: '10.0.0.1' },
    { type: 'Hostname', address: 'n' },
    { type: 'InternalDNS', address: 'n.example' },
  ];
  const names = namesOfNode({ status: { addresses } });
  expect(names).toEqual({ dnsNames: ['n', 'n.example'], ipAddresses: ['10.0.0.1'] });
  expect(hasNames(issue(names, clock.now()).certPem, NAMES)).toBe(true);
});
