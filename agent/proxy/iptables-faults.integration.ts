/** The iptables back end when iptables fails: it refuses, dies, is missing, or somebody holds its lock. Needs root. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Iptables } from '../node-iptables/index.ts';
import { backendOf, chainsLike, dump, everything, gone, update } from './testdata/iptables-services.ts';

const NAMESPACE = `iptables-faults-${process.pid}`;
const folder = mkdtempSync(join(tmpdir(), 'iptables-faults-'));
const inNamespace = ['nsenter', `--net=/run/netns/${NAMESPACE}`];
const path = `${process.env['PATH']}:/usr/sbin:/sbin`;
const rules = (): string[] => dump(NAMESPACE, 'nft', 'ipv4');

const bin = join(folder, 'bin');
const fault = join(folder, 'fault');
const real = execFileSync('sh', ['-c', 'command -v iptables-nft-restore'], {
  env: { PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
})
  .toString()
  .trim();
/** What the wrapper does to input that has one of these words. */
const failOn = (words: string[], does: 'refuse' | 'die' | 'lock' = 'refuse'): void => {
  writeFileSync(fault, words.join('\n'));
  writeFileSync(join(folder, 'does'), does);
};
const works = (): void => writeFileSync(fault, '');
const iptables = new Iptables({
  variant: 'nft',
  prefix: ['env', `PATH=${bin}:${path}`, ...inNamespace],
});

beforeAll(() => {
  execFileSync('ip', ['netns', 'add', NAMESPACE]);
  mkdirSync(bin);
  const wrapper = join(bin, 'iptables-nft-restore');
  writeFileSync(
    wrapper,
    `#!/bin/sh
input=$(cat; echo .)
input=\${input%.}
if [ -s ${fault} ] && printf '%s' "$input" | grep -qFf ${fault}; then
case $(cat ${join(folder, 'does')}) in
  refuse) echo 'iptables-restore: line 2 failed' >&2; exit 1 ;;
  lock) echo 'Another app is currently holding the xtables lock; still 1s 0us time ahead to have a chance to grab the lock...' >&2; exit 4 ;;
  die) kill -9 $$ ;;
esac
fi
printf '%s' "$input" | ${real} "$@"
`,
  );
  chmodSync(wrapper, 0o755);
  works();
});

afterAll(() => {
  execFileSync('ip', ['netns', 'del', NAMESPACE]);
  rmSync(folder, { recursive: true, force: true });
});

test('a service that the filter table refuses leaves no trace, and harms no other', async () => {
  const backend = backendOf(iptables);
  // The nat table takes it, then the filter table does not.
  failOn(['web-2:http traffic not accepted']);
  const good = [everything(1), update(3, [1])];
  await backend.replaceAll([good[0] ?? gone(1), everything(2), good[1] ?? gone(3)]);
  expect([...backend.refused.keys()]).toEqual(['default/web-2']);
  const started = rules();
  expect(await backend.hasDrifted()).toBe(false);
  works();
  await backend.cleanup();
  await backend.replaceAll(good);
  expect(started.sort()).toEqual(rules().sort());

  failOn(['web-2:http traffic not accepted']);
  await backend.update([everything(2), update(4, [1])]);
  expect([...backend.refused.keys()]).toEqual(['default/web-2']);
  expect(await backend.hasDrifted()).toBe(false);
  works();
  const changed = rules();
  await backend.update([everything(2)]);
  expect([...backend.refused.keys()]).toEqual([]);
  await backend.update([gone(2)]);
  expect(rules().sort()).toEqual(changed.sort());
  await backend.cleanup();
});

test.each(['die', 'lock'] as const)(
  'what a write left half done (%s) is made good by the next write of everything',
  async does => {
    const backend = backendOf(iptables);
    await backend.replaceAll([everything(1), update(3, [1])]);
    // As long as it lasts nobody is blamed.
    failOn(['*filter'], does);
    await expect(backend.update([everything(2), update(3, [])])).rejects.toMatchObject({
      failure: does === 'die' ? expect.stringMatching(/killed|refused/) : 'locked',
    });
    expect([...backend.refused.keys()]).toEqual([]);
    works();
    const now = [everything(1), everything(2), update(3, [])];
    await backend.replaceAll(now);
    const repaired = rules();
    await backend.cleanup();
    await backend.replaceAll(now);
    expect(repaired.sort()).toEqual(rules().sort());
    await backend.cleanup();
  },
);

test('without iptables a write says so, and there is nothing to clean up', async () => {
  const missing = new Iptables({ variant: 'nft', prefix: ['env', `PATH=${folder}`] });
  const backend = backendOf(new Iptables({ variant: 'nft', prefix: [process.execPath, '--no-such-option'] }));
  await expect(backend.replaceAll([])).rejects.toMatchObject({ name: 'CommandError' });
  await expect(backendOf(missing).replaceAll([everything(1)])).rejects.toMatchObject({ failure: 'missing' });
  expect(await backendOf(missing).cleanup()).toBe(false);
});

test('a lock that another process holds is waited for, and its holder named if that takes too long', async () => {
  const lock = join(folder, 'xtables.lock');
  const legacy = (waitSeconds: number) => new Iptables({ variant: 'legacy', waitSeconds, prefix: inNamespace });
  process.env['XTABLES_LOCKFILE'] = lock;
  try {
    const holder = spawn('flock', [lock, 'sh', '-c', 'echo held; sleep 3'], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(holder.stdout, 'data');
    await expect(backendOf(legacy(1)).replaceAll([everything(1)])).rejects.toMatchObject({
      failure: 'locked',
      message: expect.stringContaining(`held by pid ${holder.pid} (flock)`),
    });
    const patient = backendOf(legacy(30));
    await patient.replaceAll([everything(1)]);
    expect(await patient.hasDrifted()).toBe(false);
    await patient.cleanup();
  } finally {
    delete process.env['XTABLES_LOCKFILE'];
  }
});

test('a kernel without xt_bpf gets a chain and a masquerading rule an endpoint', async () => {
  failOn(['-m bpf']);
  const backend = backendOf(iptables);
  await backend.replaceAll([update(1, [1, 2])]);
  const lines = rules();
  expect(backend.refused.size).toBe(0);
  expect(chainsLike(lines, /^:KUBE-SEP-/)).toHaveLength(2);
  expect(lines.filter(line => / -s 10\.244\.0\.[12]\/32 -j KUBE-MARK-MASQ$/.test(line))).toHaveLength(2);
  expect(await backend.hasDrifted()).toBe(false);
  works();
  // A kernel that has it is used with it after a restart.
  const later = backendOf(iptables);
  await later.replaceAll([update(1, [1, 2])]);
  expect(chainsLike(rules(), /^:KUBE-SEP-/)).toEqual([]);
  await later.cleanup();
});
