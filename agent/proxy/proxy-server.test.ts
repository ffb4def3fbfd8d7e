import { afterEach, describe, expect, test } from '@jest/globals';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { FakeClock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import { MetricsRegistry } from '../../machinery/process/metrics.ts';
import type { Node } from '../../proto/api/core-v1.ts';
import { HealthCheckServers } from './health-check-servers.ts';
import { PatientServer } from './patient-server.ts';
import { ProxyHealth } from './proxy-health.ts';
import { ProxyMetrics } from './proxy-metrics.ts';
import { ProxyServer } from './proxy-server.ts';
import { freePort } from '../../machinery/process/testdata/free-port.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Asks until somebody answers. */
async function get(
  port: number,
  path = '/',
  host = '127.0.0.1',
): Promise<{ status: number; weight: string | null; body: string }> {
  for (let tries = 0; ; tries++) {
    try {
      const response = await fetch(`http://${host}:${port}${path}`, { headers: { connection: 'close' } });
      return {
        status: response.status,
        weight: response.headers.get('x-load-balancing-endpoint-weight'),
        body: await response.text(),
      };
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise(resolve => setTimeout(resolve, 10));
    }
  }
}

describe('HealthCheckServers', () => {
  function make(isKeepingUp = () => true, addresses = ['127.0.0.1']) {
    const problems: string[] = [];
    const clock = new FakeClock();
    const checks = new HealthCheckServers({
      isKeepingUp,
      addresses: () => [...addresses],
      clock,
      onProblem: (service, why) => problems.push(`${service}: ${why ?? 'mended'}`),
    });
    closing.push(() => checks.close());
    return { checks, problems, clock };
  }

  test('say how many endpoints are here, and fail without any', async () => {
    const { checks } = make();
    const port = await freePort();
    checks.set('IPv4', 'default/web', { port, localEndpoints: 2 });
    const { status, weight, body } = await get(port);
    expect([status, weight]).toEqual([200, '2']);
    expect(JSON.parse(body)).toEqual({
      service: { namespace: 'default', name: 'web' },
      localEndpoints: 2,
      serviceProxyHealthy: true,
    });
    checks.set('IPv4', 'default/web', { port, localEndpoints: 0 });
    expect(await get(port)).toMatchObject({ status: 503, weight: '0' });
  });

  test('fail while rules are not as they should', async () => {
    const { checks } = make(() => false);
    const port = await freePort();
    checks.set('IPv4', 'default/web', { port, localEndpoints: 1 });
    expect((await get(port)).status).toBe(503);
  });

  test('let the port go with the service, and take another when it is another', async () => {
    const { checks } = make();
    const [one, two] = [await freePort(), await freePort()];
    checks.set('IPv4', 'default/web', { port: one, localEndpoints: 1 });
    checks.set('IPv6', 'default/web', { port: one, localEndpoints: 3 });
    expect((await get(one)).weight).toBe('1');
    checks.set('IPv4', 'default/web', { port: two, localEndpoints: 1 });
    checks.set('IPv6', 'default/web', { port: two, localEndpoints: 3 });
    expect((await get(two)).status).toBe(200);
    await expect(fetch(`http://127.0.0.1:${one}/`)).rejects.toThrow();
    checks.set('IPv4', 'default/web', undefined);
    expect((await get(two)).weight).toBe('3');
    checks.set('IPv6', 'default/web', undefined);
    await checks.close();
    await expect(fetch(`http://127.0.0.1:${two}/`)).rejects.toThrow();
  });

  test('go on while the addresses are the same, and follow them when they are others', async () => {
    const addresses = ['127.0.0.1'];
    const { checks } = make(undefined, addresses);
    const port = await freePort();
    checks.set('IPv4', 'default/web', { port, localEndpoints: 1 });
    expect((await get(port)).status).toBe(200);
    const held = await new Promise<Socket>(resolve => {
      const socket = connect(port, '127.0.0.1', () => resolve(socket));
    });
    await checks.listenAnew();
    held.write('GET / HTTP/1.0\r\n\r\n');
    expect(String((await once(held, 'data'))[0])).toMatch(/^HTTP\/1.1 200/);
    held.destroy();
    addresses.splice(0, 1, '127.0.0.2');
    await checks.listenAnew();
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
    expect((await get(port, '/', '127.0.0.2')).status).toBe(200);
  });

  test('tell of a port that somebody has, once, and take it when it is free', async () => {
    const { checks, problems, clock } = make();
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise(resolve => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    checks.set('IPv4', 'default/web', { port, localEndpoints: 1 });
    while (problems.length === 0) await new Promise(resolve => setTimeout(resolve, 5));
    await clock.advance(30_000);
    await new Promise(resolve => setTimeout(resolve, 20));
    expect(problems).toEqual([expect.stringMatching(/^default\/web: nobody answers on .*EADDRINUSE/)]);
    await new Promise(resolve => other.close(resolve));
    await clock.advance(30_000);
    expect((await get(port)).status).toBe(200);
    expect(problems[1]).toBe('default/web: mended');
  });
});

describe('ProxyHealth', () => {
  test('fails before the first write, and when something waits for a minute', async () => {
    const clock = new FakeClock();
    const health = new ProxyHealth({ clock, node: () => undefined });
    expect(health.livez().ok).toBe(false);
    health.synced('IPv4');
    expect(health.livez().ok).toBe(true);
    await clock.advance(3_600_000);
    expect(health.livez().ok).toBe(true);
    health.queued('IPv4');
    await clock.advance(30_000);
    health.queued('IPv4');
    expect(health.livez().ok).toBe(true);
    await clock.advance(30_000);
    expect(health.livez().ok).toBe(false);
    health.synced('IPv4');
    expect(health.livez().ok).toBe(true);
  });

  test('a node that goes gets no traffic from load balancers any more', () => {
    let node: Node = { metadata: { name: 'a' }, spec: {} };
    const health = new ProxyHealth({ clock: new FakeClock(), node: () => node });
    health.synced('IPv4');
    expect(health.healthz().ok).toBe(true);
    node = { ...node, spec: { unschedulable: true } };
    expect(health.healthz().ok).toBe(true);
    node = { ...node, spec: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] } };
    expect([health.healthz().ok, health.livez().ok]).toEqual([false, true]);
    node = { metadata: { name: 'a', deletionTimestamp: '2026-01-01T00:00:00Z' }, spec: {} };
    expect(health.healthz().ok).toBe(false);
    expect(JSON.parse(health.healthz().body)).toMatchObject({ nodeEligible: false });
  });
});

test('ProxyServer serves metrics, mode and health, each where it belongs', async () => {
  const clock = new FakeClock();
  const registry = new MetricsRegistry();
  const metrics = new ProxyMetrics(registry, clock);
  const health = new ProxyHealth({ clock, node: () => undefined });
  const [metricsPort, healthPort] = [await freePort(), await freePort()];
  const server = new ProxyServer({
    metricsSocket: { host: '127.0.0.1', port: metricsPort },
    healthSocket: { host: '127.0.0.1', port: healthPort },
    mode: 'nftables',
    registry,
    metrics,
    health,
    clock,
    log: silentLogger,
  });
  const stop = new AbortController();
  const running = server.run(stop.signal);
  closing.push(() => (stop.abort(), running));
  expect((await get(healthPort, '/healthz')).status).toBe(503);
  metrics.serviceChanged();
  metrics.endpointsChanged();
  const changes = (await get(metricsPort, '/metrics')).body;
  expect(changes).toContain('kubeproxy_sync_proxy_rules_endpoint_changes_pending 1\n');
  const backend = { name: 'iptables', ruleCounts: () => new Map([['nat', 7]]) } as never;
  const report = {
    family: 'IPv4',
    kind: 'delta',
    services: 1,
    durationMs: 12,
    triggeredAtMs: [clock.now() - 400],
  } as const;
  metrics.synced(report, backend);
  health.synced('IPv4');
  expect(await get(healthPort, '/livez?verbose')).toMatchObject({ status: 200 });
  expect(await get(metricsPort, '/proxyMode')).toMatchObject({ status: 200, body: 'nftables' });
  expect((await get(metricsPort, '/configz')).status).toBe(404);
  const { body } = await get(metricsPort, '/metrics');
  for (const line of [
    'kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.016"} 1',
    'kubeproxy_sync_partial_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1',
    'kubeproxy_network_programming_duration_seconds_bucket{ip_family="IPv4",le="0.5"} 1',
    'kubeproxy_sync_proxy_rules_endpoint_changes_pending 0',
    'kubeproxy_sync_proxy_rules_service_changes_total 1',
    'kubeproxy_sync_proxy_rules_iptables_total{table="nat",ip_family="IPv4"} 7',
    'kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy="internal",ip_family="IPv4"} 0',
    'kubeproxy_proxy_healthz_total{code="503"} 1',
    'kubeproxy_proxy_livez_total{code="200"} 1',
  ])
    expect(body).toContain(`${line}\n`);
});

test('PatientServer that never got its port lets go of it', async () => {
  const problems: (string | undefined)[] = [];
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise(resolve => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  const options = { host: '127.0.0.1', port, handler: () => undefined, clock: new FakeClock() };
  const server = new PatientServer({ ...options, onProblem: why => problems.push(why) });
  while (problems.length === 0) await new Promise(resolve => setTimeout(resolve, 5));
  await server.close();
  await new Promise(resolve => other.close(resolve));
});

test('PatientServer listens on after an error of one connection', async () => {
  const problems: (string | undefined)[] = [];
  const clock = new FakeClock();
  const port = await freePort();
  const handler: RequestListener = (_, response) => void response.end();
  const patient = new PatientServer({
    host: '127.0.0.1',
    port,
    handler,
    clock,
    onProblem: why => problems.push(why),
  });
  closing.push(() => patient.close());
  expect((await get(port)).status).toBe(200);
  // As the system says that there are no file descriptors left.
  (patient as unknown as { server: Server }).server.emit('error', new Error('accept EMFILE'));
  await clock.advance(60_000);
  expect((await get(port)).status).toBe(200);
  expect(problems).toEqual([]);
});
