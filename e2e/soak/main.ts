/**
 * `make soak`: an hour (SOAK_MINUTES) of pods of all kinds coming and going, while k8ts is killed every minute, the container runtime every
 * five, and processes of pods all the time. In the last quarter k8ts is left alone, for its memory to show what it leaks.
 *
 *   tsx e2e/soak/main.ts [--minutes 60] [--pods 25] [--kill-seconds 60] [--runtime-seconds 300]
 *
 * It fails if a pod is not what its spec asks for once things settle, or if anything is left over in the end.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import { inNamespace } from '../machine/network-namespace.ts';
import { killHard } from '../machine/processes.ts';
import type { ChurnReport } from './churn/main.ts';
import { footprint, leaks, leftOver } from './footprint.ts';

const CHURN = fileURLToPath(new URL('./churn/main.ts', import.meta.url));
const TREE = fileURLToPath(new URL('../..', import.meta.url));

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: process.env['SOAK_MINUTES'] ?? '60' },
    pods: { type: 'string', default: '25' },
    'kill-seconds': { type: 'string', default: '60' },
    'runtime-seconds': { type: 'string', default: '300' },
  },
});
const totalMs = Number(values.minutes) * 60_000;
const killEveryMs = Number(values['kill-seconds']) * 1000;
const runtimeEveryMs = Number(values['runtime-seconds']) * 1000;
const beganMs = performance.now();
const elapsedMs = (): number => performance.now() - beganMs;
const say = (text: string): void => console.log(`${(elapsedMs() / 60_000).toFixed(1).padStart(5)} min  ${text}`);

/** The other process: it lives in the network of the control node. */
class Churn {
  private readonly child;
  private readonly answers: AsyncIterator<string>;

  constructor(cluster: Cluster, namespace: string) {
    const { control } = cluster;
    const argv = [process.execPath, '--import', 'tsx', CHURN, control.kubeconfig, namespace, values.pods];
    const [command = '', ...args] = inNamespace(control.namespace, argv);
    this.child = spawn(command, args, { cwd: TREE, stdio: ['pipe', 'pipe', 'inherit'] });
    this.answers = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async tell(command: 'go' | 'settle' | 'clear'): Promise<ChurnReport> {
    this.child.stdin.write(`${command}\n`);
    const { value, done } = await this.answers.next();
    if (done === true) throw new Error('the churn process ended');
    return JSON.parse(value) as ChurnReport;
  }

  end(): void {
    this.child.stdin.end();
  }
}

const problems: string[] = [];
function note(where: string, found: readonly string[]): void {
  for (const problem of found) {
    problems.push(`${where}: ${problem}`);
    say(`✘ ${where}: ${problem}`);
  }
}

/** Kills the main process of some container whose pod comes back. */
async function killSomeProcess(cluster: Cluster): Promise<void> {
  const { control } = cluster;
  const list = await control.tryRun(['ctr', '-a', control.containerdSocket, '-n', 'k8s.io', 'tasks', 'list']);
  const pids = list.stdout.split('\n').flatMap(line => /\s(\d+)\s+RUNNING/.exec(line)?.[1] ?? []);
  const pid = Number(pids[Math.floor(Math.random() * pids.length)]);
  if (Number.isInteger(pid) && pid > 1 && (await isKillable(cluster, pid))) killHard(pid);
}

/** Some kinds end for good when their process does; sandboxes may go as well. */
async function isKillable(cluster: Cluster, pid: number): Promise<boolean> {
  const { stdout } = await cluster.control.tryRun(['cat', `/proc/${pid}/environ`]);
  const name = /(?:^|\0)HOSTNAME=([^\0]*)/.exec(stdout)?.[1] ?? '';
  return /^(idle|served|asked|volumes|stubborn|family)-/.test(name);
}

async function disturb(cluster: Cluster, untilMs: number): Promise<void> {
  const killUntilMs = (totalMs * 3) / 4;
  let [nextAgentMs, nextRuntimeMs, nextProcessMs, kills] = [
    elapsedMs() + killEveryMs,
    elapsedMs() + runtimeEveryMs,
    elapsedMs(),
    0,
  ];
  while (elapsedMs() < untilMs) {
    await sleep(500);
    const nowMs = elapsedMs();
    if (nowMs > nextProcessMs) {
      await killSomeProcess(cluster);
      nextProcessMs = nowMs + 10_000;
    }
    if (nowMs > killUntilMs) continue;
    if (nowMs > nextRuntimeMs) {
      await cluster.control.killContainerd().catch(() => undefined);
      nextRuntimeMs = nowMs + runtimeEveryMs;
      say('killed the container runtime');
    }
    if (nowMs > nextAgentMs) {
      await cluster.control.kill9();
      await cluster.up();
      nextAgentMs = nowMs + killEveryMs;
      if (++kills % 5 === 0) say(`killed k8ts ${kills} times`);
    }
  }
}

const cluster = newCluster('soak');
try {
  await cluster.start();
  const { namespace } = await cluster.kubectl.newNamespace('soak');
  const churn = new Churn(cluster, namespace);
  // A first round fills caches and makes what stays.
  await churn.tell('go');
  await sleep(Math.min(60_000, totalMs / 10));
  note('first round', (await churn.tell('settle')).problems);
  note('first round', (await churn.tell('clear')).problems);
  await sleep(15_000);
  const before = await footprint(cluster.control);
  say(`before: ${JSON.stringify(before)}`);
  // Looks at all pods now and then, since a fault is easier to find when it is fresh.
  const checks = Math.max(1, Math.round(Number(values.minutes) / 10));
  for (let check = 1; check <= checks; check++) {
    await churn.tell('go');
    await disturb(cluster, Math.max(elapsedMs() + 5_000, (totalMs * check) / checks));
    const report = await churn.tell('settle');
    note(`check ${check}`, report.problems);
    say(
      `${report.created} pods made, ${report.deleted} deleted, ${report.pods} there; ${report.problems.length} not as they should be`,
    );
  }
  note('end', (await churn.tell('clear')).problems);
  churn.end();
  // What calls of a killed k8ts brought about afterwards is taken away at its second look, a minute after the first.
  let after = await footprint(cluster.control);
  for (let look = 0; look < 20 && leaks(before, after).length > 0; look++) {
    await sleep(10_000);
    after = await footprint(cluster.control);
  }
  say(`after:  ${JSON.stringify(after)}`);
  note('left over', leaks(before, after));
  if (leaks(before, after).length > 0) say(await leftOver(cluster.control));
  const log = cluster.control
    .logTail(100_000)
    .split('\n')
    .filter(line => /"level":(50|60)/.test(line));
  note('errors in the log', log.slice(0, 20));
} finally {
  await cluster.close();
}
console.log(problems.length === 0 ? 'the soak found nothing' : `the soak found ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
