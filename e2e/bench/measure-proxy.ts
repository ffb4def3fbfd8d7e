/**
 * What Services cost, on either packet filter in the same run: one more service at 100, 1,000 and 10,000, the first write of all of them, the
 * handshake of a pod with a pod through them, memory and rest. Beside it upstream's kube-proxy, where it is on this machine.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../machine/command.ts';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import { closeEstate } from '../machine/estate.ts';
import type { Host } from '../machine/host.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { pidsNaming } from '../machine/processes.ts';
import { IDLE, pod } from '../suites/objects.ts';
import { startProxyProgram, UPSTREAM } from '../upstream/upstream-programs.ts';
import { percentile, summarize, type Summary } from './figures.ts';
import { measureRest } from './rest.ts';

const TREE = fileURLToPath(new URL('../..', import.meta.url));
const SERVICES = fileURLToPath(new URL('../load/services/main.ts', import.meta.url));
const CONNECT_TIMES = fileURLToPath(new URL('../load/connect-times/main.ts', import.meta.url));
const MODES = ['nftables', 'iptables'] as const;
type Mode = (typeof MODES)[number];
/** Services that answer, spread over all. */
const LIVE = 50;
const ONE_MORE = 15;
const HANDSHAKES = 40;
const SETTLE_MS = 8_000;
const REST_MS = 20_000;
const LISTEN_PORT = 9_090;

export interface ProxyFigures {
  readonly mode: Mode;
  readonly sizes: readonly SizeFigures[];
  /** From the start of a killed k8ts, the kernel's rules taken away meanwhile, to the last service's answer. */
  readonly restartMs: number;
  /** What the proxy's own metrics say of the first write. */
  readonly firstSyncMs: number;
  readonly upstreamOneMore: Summary | undefined;
  /** Of an agent alone, on a node that joined: without services, and with all of them. */
  readonly agentMB: { readonly bare: number; readonly full: number };
}

interface SizeFigures {
  readonly services: number;
  readonly caughtUpMs: number;
  readonly oneMore: Summary;
  /** Microseconds. */
  readonly handshakeUs: { readonly p50: number; readonly p99: number };
  readonly directUs: { readonly p50: number; readonly p99: number };
  readonly memoryMB: number;
  readonly cpuPercent: number;
}

/** @param sizes numbers of services, ascending */
export async function measureProxy(sizes: readonly number[], say: (text: string) => void): Promise<ProxyFigures[]> {
  const figures: ProxyFigures[] = [];
  for (const mode of MODES) figures.push(await measureMode(mode, sizes, say));
  return figures;
}

async function measureMode(mode: Mode, sizes: readonly number[], say: (text: string) => void): Promise<ProxyFigures> {
  const cluster = newCluster('bench-proxy', {
    workers: 2,
    nodeSettings: { 'proxy-mode': mode },
    // Upstream's proxy asks for it.
    settings: { 'runtime-config': ['discovery.k8s.io/v1beta1=true'] },
  });
  const { control } = cluster;
  try {
    await cluster.build();
    await cluster.up();
    const bare = await measureAgent(cluster);
    const k = await cluster.kubectl.newNamespace('bench');
    const [client, server] = [await startPod(cluster, k, 'client'), await startPod(cluster, k, 'server')];
    const listener = listen(server.pid);
    try {
      const done: SizeFigures[] = [];
      let lives: string[] = [];
      let upstreamOneMore: Summary | undefined;
      for (const services of sizes) {
        const from = done.at(-1)?.services ?? 0;
        const every = Math.max(1, Math.floor((services - from) / LIVE));
        const fill = ['fill', String(from), String(services), `${server.ip}:${LISTEN_PORT}`, String(every)];
        const filled = await ask<{ lives: string[]; caughtUpMs: number }>(control, control, k, fill);
        lives = filled.lives;
        const oneMore = await measureOneMore(control, control, k);
        if (mode === 'iptables' && services === 1_000) upstreamOneMore = await measureUpstream(cluster, k, say);
        const size: SizeFigures = {
          services,
          caughtUpMs: Math.round(filled.caughtUpMs),
          oneMore,
          directUs: await handshakes(client.pid, LISTEN_PORT, [server.ip], HANDSHAKES * 20),
          handshakeUs: await handshakes(client.pid, 80, lives, HANDSHAKES),
          ...(await measureRest(control.pid, SETTLE_MS, REST_MS)),
        };
        done.push(size);
        say(
          `${mode}, ${services} services: one more answers after p50 ${oneMore.p50} max ${oneMore.max} ms; last of all ${size.caughtUpMs} ms after its creation; ` +
            `handshake p50 ${size.handshakeUs.p50} p99 ${size.handshakeUs.p99} us (without service ${size.directUs.p50}, ${size.directUs.p99}); ` +
            `${size.memoryMB.toFixed(0)} MB, ${size.cpuPercent.toFixed(2)} % at rest`,
        );
      }
      const { restartMs, firstSyncMs } = await measureFirstSync(cluster, mode, client.pid, lives);
      say(
        `${mode}, ${sizes.at(-1)} services: first write ${firstSyncMs.toFixed(0)} ms; start to last answer ${restartMs.toFixed(0)} ms`,
      );
      const agentMB = { bare, full: await measureAgent(cluster) };
      say(
        `${mode}, ${sizes.at(-1)} services: an agent takes ${agentMB.full.toFixed(0)} MB, without services ${bare.toFixed(0)} MB (40 MB more wanted)`,
      );
      return { mode, sizes: done, restartMs, firstSyncMs, upstreamOneMore, agentMB };
    } finally {
      listener.kill('SIGKILL');
    }
  } finally {
    await closeEstate(cluster.estate);
  }
}

/** A pod that sleeps; its address and a process of it. */
async function startPod(cluster: Cluster, k: Kubectl, name: string): Promise<{ ip: string; pid: number }> {
  await k.create(pod(name, { command: IDLE }));
  await k.run(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s']);
  const [ip = '', uid = ''] = (
    await k.run(['get', 'pod', name, '-o', 'jsonpath={.status.podIP} {.metadata.uid}'])
  ).split(' ');
  const pid = pidsNaming(`pod${uid}`)[0];
  if (pid === undefined) throw new Error(`no process of pod ${name} is found on ${cluster.control.name}`);
  return { ip, pid };
}

function inPod(pid: number, argv: readonly string[]): string[] {
  return ['nsenter', `--net=/proc/${pid}/ns/net`, ...argv];
}

function listen(pid: number): ReturnType<typeof spawn> {
  const program = `require('net').createServer(s=>{s.on('error',()=>{});s.destroy()}).listen({port:${LISTEN_PORT},backlog:4096})`;
  const [command = '', ...args] = inPod(pid, [process.execPath, '-e', program]);
  return spawn(command, args, { stdio: 'ignore' });
}

async function ask<T>(control: Host, host: Host, k: Kubectl, args: readonly string[]): Promise<T> {
  const argv = [process.execPath, '--import', 'tsx', SERVICES, control.kubeconfig, k.namespace, ...args];
  return JSON.parse(await host.run(argv, { timeoutMs: 900_000, cwd: TREE })) as T;
}

/** Services made while the node is quiet, one after the other. */
async function measureOneMore(control: Host, host: Host, k: Kubectl, count = ONE_MORE): Promise<Summary> {
  await sleep(SETTLE_MS);
  return summarize(await ask<number[]>(control, host, k, ['one-more', host.address, String(count)]));
}

async function handshakes(pid: number, port: number, addresses: readonly string[], times: number) {
  const argv = [process.execPath, '--import', 'tsx', CONNECT_TIMES, String(port), String(times), addresses.join()];
  const samples = JSON.parse(await run(inPod(pid, argv), { cwd: TREE, timeoutMs: 120_000 })) as number[];
  return { p50: Math.round(percentile(samples, 50)), p99: Math.round(percentile(samples, 99)) };
}

/** Memory of an agent that just started. */
async function measureAgent(cluster: Cluster): Promise<number> {
  const [host] = cluster.workers;
  if (host === undefined) throw new Error('there is no worker');
  await cluster.join(host);
  const { memoryMB } = await measureRest(host.pid, SETTLE_MS, REST_MS);
  await host.kill9();
  return memoryMB;
}

/** The kernel knows no rule of ours when k8ts starts again. */
async function measureFirstSync(cluster: Cluster, mode: Mode, clientPid: number, lives: readonly string[]) {
  const { control } = cluster;
  await control.kill9();
  const flush =
    mode === 'nftables'
      ? 'nft delete table ip k8ts-proxy'
      : 'iptables -t nat -F && iptables -t nat -X && iptables -t filter -F && iptables -t filter -X';
  await control.run(['sh', '-c', flush]);
  const begin = performance.now();
  const up = cluster.up();
  const last = lives.at(-1) ?? '';
  const probe = `const t=()=>{const s=require('net').connect({host:'${last}',port:80});s.setTimeout(200,()=>s.destroy());s.on('connect',()=>process.exit(0));s.on('error',()=>{});s.on('close',()=>setTimeout(t,10))};t()`;
  await run(inPod(clientPid, [process.execPath, '-e', probe]), { timeoutMs: 180_000 });
  const restartMs = performance.now() - begin;
  await up;
  const metrics = await control.run(['curl', '-s', 'http://127.0.0.1:10249/metrics']);
  const firstSyncMs =
    Number(/^kubeproxy_sync_full_proxy_rules_duration_seconds_sum\S* (\S+)/m.exec(metrics)?.[1] ?? NaN) * 1000;
  return { restartMs, firstSyncMs };
}

/** The same services by upstream's kube-proxy, on the other host. */
async function measureUpstream(
  cluster: Cluster,
  k: Kubectl,
  say: (text: string) => void,
): Promise<Summary | undefined> {
  const [, host] = cluster.workers;
  if (host === undefined || !existsSync(join(UPSTREAM, 'bin', 'kube-proxy'))) {
    say('upstream is not measured: CONFORMANCE_DIR has no bin/kube-proxy');
    return undefined;
  }
  await startProxyProgram(cluster.control, host);
  try {
    const oneMore = await measureOneMore(cluster.control, host, k, 7);
    say(`upstream's kube-proxy, 1,000 services: one more answers after p50 ${oneMore.p50} max ${oneMore.max} ms`);
    return oneMore;
  } finally {
    for (const pid of pidsNaming(host.path('upstream', 'proxy'))) process.kill(pid, 'SIGKILL');
  }
}
