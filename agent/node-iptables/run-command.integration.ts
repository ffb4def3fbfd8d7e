/** What happens when commands fail, hang, die, are missing or are given too much. Locks and namespace are this file's own. Needs root. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { CommandError } from './command-error.ts';
import { Iptables } from './iptables.ts';
import { Nftables } from './nftables.ts';
import { runCommand } from './run-command.ts';
import { ownNamespace } from './testdata/namespace.ts';

const prefix = ownNamespace('failures');
const dir = mkdtempSync(join(tmpdir(), 'node-iptables-'));
afterAll(() => rmSync(dir, { recursive: true }));

/** Holds a lock file until it is released or the test ends. */
async function holdLock(name: string): Promise<{ file: string; release: () => void }> {
  const file = join(dir, name);
  const holder = spawn('sh', ['-c', 'exec flock -x "$0" sh -c "echo held; sleep 60"', file], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await new Promise(resolve => holder.stdout.once('data', resolve));
  return { file, release: () => void (holder.pid !== undefined && process.kill(-holder.pid, 'SIGKILL')) };
}

describe('a lock that another process holds', () => {
  test('is an error of its own when the wait is over', async () => {
    const { file, release } = await holdLock('held');
    try {
      const iptables = new Iptables({
        variant: 'legacy',
        waitSeconds: 1,
        prefix: ['env', `XTABLES_LOCKFILE=${file}`, ...prefix],
      });
      await expect(iptables.apply([{ table: 'nat', chains: new Map([['L', []]]) }])).rejects.toMatchObject({
        failure: 'locked',
      });
      await expect(iptables.listChain('nat', 'L')).rejects.toMatchObject({ failure: 'locked' });
    } finally {
      release();
    }
  }, 30_000);

  test('is waited for', async () => {
    const { file, release } = await holdLock('released');
    const iptables = new Iptables({ variant: 'legacy', prefix: ['env', `XTABLES_LOCKFILE=${file}`, ...prefix] });
    let isOver = false;
    const applied = iptables.apply([{ table: 'nat', chains: new Map([['W', []]]) }]).then(() => (isOver = true));
    await new Promise(resolve => setTimeout(resolve, 500));
    expect(isOver).toBe(false);
    release();
    await applied;
    expect(await iptables.listChain('nat', 'W')).toEqual([]);
  }, 60_000);
});

test.each([
  { name: 'iptables', act: () => new Iptables({ prefix: ['env', 'PATH=/nowhere'] }).version() },
  { name: 'nsenter itself', act: () => runCommand(['nft'], '', { prefix: ['/nowhere/nsenter'] }) },
  {
    name: 'nft',
    act: () => new Nftables('ip', 't', { prefix: ['env', 'PATH=/nowhere'] }).apply([{ kind: 'addTable' }]),
  },
])('a missing program is named: $name', async ({ act }) => {
  const error = await act().then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(CommandError);
  expect(error).toMatchObject({ failure: 'missing', message: expect.stringContaining('install it') });
});

test('lack of rights is told apart from refusal', async () => {
  const nobody = { prefix: [...prefix, 'setpriv', '--reuid', '65534', '--clear-groups', '--inh-caps=-all'] };
  for (const variant of ['nft', 'legacy'] as const)
    await expect(new Iptables({ ...nobody, variant }).listChain('nat', 'X')).rejects.toMatchObject({
      failure: 'permission',
    });
  await expect(new Nftables('ip', 't', nobody).list()).rejects.toMatchObject({ failure: 'permission' });
});

test('a namespace that is not there is not taken for a table that is not there', async () => {
  const nowhere = { prefix: ['nsenter', '--net=/run/netns/no-such-namespace'] };
  await expect(new Nftables('ip', 't', nowhere).list()).rejects.toMatchObject({ failure: 'refused' });
  await expect(new Iptables(nowhere).listChain('nat', 'X')).rejects.toMatchObject({ failure: 'refused' });
});

test('a command that hangs is stopped with all its children, and its pipes hold nobody up', async () => {
  const hangs = runCommand(['sh', '-c', 'sleep 61.5 & sleep 61.5'], '', { timeoutMs: 300 });
  await expect(hangs).rejects.toMatchObject({ failure: 'timeout', exitCode: -1 });
  expect(execFileSync('sh', ['-c', 'pgrep -f "^sleep 61.5" || true']).toString()).toBe('');
}, 20_000);

test('a command that somebody kills says so', async () => {
  await expect(runCommand(['sh', '-c', 'kill -9 $$'])).rejects.toMatchObject({
    failure: 'killed',
    stderr: expect.stringContaining('SIGKILL'),
  });
});

test('an abort ends the command with its own reason', async () => {
  const abort = new AbortController();
  const reason = new Error('enough');
  const running = runCommand(['sleep', '60'], '', { signal: abort.signal });
  abort.abort(reason);
  await expect(running).rejects.toBe(reason);
  await expect(runCommand(['true'], '', { signal: abort.signal })).rejects.toBe(reason);
});

test('output has a bound, and so have complaints', async () => {
  await expect(
    runCommand(['head', '-c', '2000000', '/dev/zero'], '', { maxOutputBytes: 1_000_000 }),
  ).rejects.toMatchObject({ failure: 'tooMuchOutput' });
  const complains = runCommand(['sh', '-c', 'head -c 2000000 /dev/zero | tr "\\0" x >&2; exit 3']);
  const error = await complains.catch((cause: unknown) => cause as CommandError);
  expect(error).toMatchObject({ failure: 'refused', exitCode: 3 });
  expect((error as CommandError).stderr.length).toBeLessThan(100_000);
  expect((error as CommandError).message.length).toBeLessThan(2_000);
});

test('input that nobody reads, or that is enormous, is no trouble', async () => {
  const enormous = 'x'.repeat(5_000_000);
  await expect(runCommand(['true'], enormous)).resolves.toMatchObject({ exitCode: 0 });
  expect((await runCommand(['wc', '-c'], enormous)).stdout.trim()).toBe('5000000');
  const pieces = function* (): Iterable<string> {
    for (let i = 0; i < 500; i++) yield 'y'.repeat(10_000);
  };
  expect((await runCommand(['wc', '-c'], pieces())).stdout.trim()).toBe('5000000');
});

test('a table that the kernel has not is unsupported, not refused', async () => {
  await expect(runCommand(['iptables-legacy-save', '-t', 'nosuch'], '', { prefix })).rejects.toMatchObject({
    failure: 'unsupported',
  });
});

test('a process without file descriptors left is told so, and lives', () => {
  const script = `
    import { openSync } from 'node:fs';
    import { runCommand } from ${JSON.stringify(new URL('./run-command.ts', import.meta.url).pathname)};
    await runCommand(['true']);
    try { for (;;) openSync('/dev/zero', 'r'); } catch {}
    const failure = await runCommand(['true'], 'x').catch(error => error.failure);
    await new Promise(resolve => setTimeout(resolve, 10));
    console.log(failure);
  `;
  const command = 'ulimit -n 64; exec "$0" --import tsx --input-type module -e "$1"';
  expect(execFileSync('sh', ['-c', command, process.execPath, script]).toString()).toBe('exhausted\n');
});
