/** Cluster DNS of a node that runs, asked by a client in another process on the same machine: at a steady rate, and as fast as it answers. */
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { newCluster } from '../../machine/cluster.ts';
import { closeEstate } from '../../machine/estate.ts';
import { cpuMs } from '../../machine/processes.ts';
import type { LoadFigures } from './query-load.ts';

const TREE = fileURLToPath(new URL('../../..', import.meta.url));
const DNS = '10.96.0.10';
const RATE = 10_000;
const SECONDS = 10;
const SERVICES = 100;
const SETTLE_MS = 10_000;

export interface DnsFigures extends LoadFigures {
  /** Of one core, while `RATE` questions a second are answered and then as many as can be. */
  readonly cpuMsPerThousand: number;
}

export async function measureDns(say: (text: string) => void): Promise<DnsFigures> {
  const cluster = newCluster('bench-dns');
  try {
    await cluster.build();
    await cluster.up();
    const { control, kubectl } = cluster;
    const names = Array.from({ length: SERVICES }, (_, i) => `bench-${i}`);
    const ports = [{ name: 'http', port: 80 }];
    await kubectl.apply(
      ...names.map(name => ({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name },
        spec: { selector: { app: name }, ports },
      })),
    );
    // A node that just started does other things, too.
    await sleep(SETTLE_MS);
    const { pid } = control;
    if (pid === undefined) throw new Error('k8ts does not run');
    const argv = [
      process.execPath,
      '--import',
      'tsx',
      'e2e/bench/dns/query-load.ts',
      DNS,
      '53',
      String(RATE),
      String(SECONDS),
    ];
    const beforeMs = cpuMs(pid);
    const text = await control.run([...argv, ...names.map(name => `${name}.default.svc.cluster.local`)], {
      cwd: TREE,
      timeoutMs: 120_000,
    });
    const figures = JSON.parse(text) as LoadFigures;
    const asked = figures.sent * SECONDS + (figures.mostPerSecond * SECONDS) / 2;
    const cpuMsPerThousand = Number((((cpuMs(pid) - beforeMs) / asked) * 1000).toFixed(1));
    say(
      `DNS, ${figures.sent} questions a second  p50 ${figures.p50} p99 ${figures.p99} max ${figures.max} ms, ${figures.lost} lost (p99 5 ms wanted)`,
    );
    say(
      `DNS, most answers a second     ${figures.mostPerSecond} (10,000 wanted), ${cpuMsPerThousand} ms of CPU a thousand`,
    );
    return { ...figures, cpuMsPerThousand };
  } finally {
    await closeEstate(cluster.estate);
  }
}
