import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parseCapabilities } from './capabilities.ts';
import { rotateLog, startDaemon } from './daemon.ts';
import { readDirectoriesUsage, readFilesystemUsage } from './disk-usage.ts';
import { parseOsRelease, readMachineInfo } from './machine-info.ts';
import { descendantsOf, listProcesses, parseProcStat, readProcess, sendSignal } from './processes.ts';
import { sdNotify } from './sd-notify.ts';
import { readSysctl, Sysctls } from './sysctl.ts';
import { CommandError } from './command-error.ts';
import { silentLogger } from '../../machinery/process/logger.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'k8ts-host-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

test('parseCapabilities() reads bits of the effective set', () => {
  const all = parseCapabilities('CapPrm:\t0\nCapEff:\t000001fffeffffff\n');
  expect([all.has('CAP_SYS_ADMIN'), all.has('CAP_SYS_RESOURCE')]).toEqual([true, false]);
  expect(parseCapabilities('').has('CAP_KILL')).toBe(false);
});

test('parseProcStat() is not misled by the name of the command', () => {
  const stat = `12 (a) R (b)) S 7 ${'0 '.repeat(17)}4242 0 0`;
  expect(parseProcStat(stat)).toEqual({ state: 'S', parentPid: 7, startTicks: 4242 });
});

test('readProcess() and listProcesses() know this process; sendSignal() knows what is not there', async () => {
  expect(await readProcess(process.pid)).toMatchObject({ pid: process.pid, parentPid: process.ppid });
  expect((await listProcesses()).some(p => p.pid === process.pid)).toBe(true);
  expect(await readProcess(2 ** 22 + 1)).toBeUndefined();
  expect(sendSignal(2 ** 22 + 1, 'SIGTERM')).toBe(false);
});

test('descendantsOf() follows all generations, whatever their order', () => {
  const p = (pid: number, parentPid: number) => ({ pid, parentPid, state: 'S', startTicks: 0, argv: [] });
  expect(descendantsOf([p(4, 3), p(3, 2), p(2, 1), p(9, 1)], [2]).map(x => x.pid)).toEqual([3, 4]);
});

describe('startDaemon()', () => {
  test('appends its output to the log and leads a session of its own', async () => {
    const logPath = join(dir, 'log');
    const pid = await startDaemon({ argv: ['sh', '-c', 'cut -d" " -f6 /proc/$$/stat; echo done'], logPath });
    while (!readFileSync(logPath, 'utf8').includes('done')) await new Promise(resolve => setImmediate(resolve));
    expect(readFileSync(logPath, 'utf8')).toBe(`${pid}\ndone\n`);
  });

  test('rejects with CommandError for a program that is not there', async () => {
    const failed = startDaemon({ argv: ['no-such-program'], logPath: join(dir, 'log') });
    await expect(failed).rejects.toBeInstanceOf(CommandError);
  });

  test('rotateLog() moves a long log aside, and only a long one', async () => {
    const path = join(dir, 'log');
    writeFileSync(path, 'x'.repeat(100));
    expect(await rotateLog(path, 100)).toBe(false);
    expect(await rotateLog(path, 99)).toBe(true);
    expect([statSync(path).size, statSync(`${path}.1`).size]).toEqual([0, 100]);
    expect(await rotateLog(join(dir, 'none'), 1)).toBe(false);
  });
});

// Node cannot receive unix datagrams; Python, where it is installed, can.
const hasPython = spawnSync('python3', ['--version']).status === 0;
test('sdNotify() ends nothing where systemd cannot be reached, but says so', async () => {
  const told: string[] = [];
  const logger = { ...silentLogger, error: (_: unknown, text: string) => void told.push(text) };
  expect(await sdNotify(['READY=1'], logger, { NOTIFY_SOCKET: join(dir, 'nobody') })).toBe(false);
  expect(told).toHaveLength(1);
});

(hasPython ? test : test.skip)('sdNotify() sends one datagram, and none where systemd did not ask', async () => {
  expect(await sdNotify(['READY=1'], silentLogger, {})).toBe(false);
  const path = join(dir, 'notify');
  const listen = `import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1]); open(sys.argv[1]+'.up','w'); open(sys.argv[1]+'.got','wb').write(s.recv(999)); open(sys.argv[1]+'.end','w')`;
  await startDaemon({ argv: ['python3', '-c', listen, path], logPath: join(dir, 'log') });
  const exists = (file: string) => statSync(file, { throwIfNoEntry: false }) !== undefined;
  while (!exists(`${path}.up`)) await new Promise(resolve => setImmediate(resolve));
  expect(await sdNotify(['READY=1', 'STATUS=fine'], silentLogger, { NOTIFY_SOCKET: path })).toBe(true);
  while (!exists(`${path}.end`)) await new Promise(resolve => setImmediate(resolve));
  expect(readFileSync(`${path}.got`, 'utf8')).toBe('READY=1\nSTATUS=fine');
});

test('parseOsRelease() takes all ways of quoting', () => {
  const text = 'PRETTY_NAME="A \\"B\\" 1"\nID=debian\nNAME=\'C D\'\n# comment\nEMPTY=\n';
  expect(Object.fromEntries(parseOsRelease(text))).toEqual({
    PRETTY_NAME: 'A "B" 1',
    ID: 'debian',
    NAME: 'C D',
    EMPTY: '',
  });
});

test('readMachineInfo() fills every field that every host has', async () => {
  const info = await readMachineInfo();
  expect(info.cpuCount).toBeGreaterThan(0);
  expect(info.memoryBytes).toBeGreaterThan(1e6);
  expect(info.bootId).toMatch(/^[0-9a-f-]{36}$/);
});

test('disk usage of a file system and of a directory', async () => {
  writeFileSync(join(dir, 'file'), 'x'.repeat(100_000));
  const usages = await readDirectoriesUsage([dir, join(dir, 'none')]);
  expect([...usages.keys()]).toEqual([dir]);
  const { usedBytes, inodesUsed } = usages.get(dir) ?? { usedBytes: 0, inodesUsed: 0 };
  expect(usedBytes).toBeGreaterThanOrEqual(100_000);
  expect(inodesUsed).toBe(2);
  const whole = await readFilesystemUsage(dir);
  expect(whole.capacityBytes).toBeGreaterThan(whole.availableBytes);
  await expect(readFilesystemUsage(join(dir, 'none'))).rejects.toThrow('ENOENT');
});

test('readDirectoriesUsage() measures more directories than fit into the arguments of a command', async () => {
  const odd = join(dir, 'a\nb\tc');
  mkdirSync(odd);
  const none = Array.from({ length: 12_000 }, (_, i) => join(dir, `${'x'.repeat(200)}${i}`));
  const usages = await readDirectoriesUsage([...none, odd]);
  expect([...usages.keys()]).toEqual([odd]);
});

test('readSysctl() takes dots and slashes, and knows what is absent; Sysctls refuses to leave /proc/sys', async () => {
  expect(await readSysctl('kernel.ostype')).toBe('Linux');
  expect(await readSysctl('kernel/ostype')).toBe('Linux');
  const sysctls = new Sysctls(join(dir, 'sysctl.json'));
  expect(await sysctls.set('kernel.no_such_thing', '1')).toBe('absent');
  expect(await sysctls.set('kernel.ostype', 'Linux')).toBe('already');
  await expect(sysctls.set('../../etc/passwd', 'x')).rejects.toThrow('no kernel parameter');
  expect(await sysctls.undo()).toEqual([]);
});
