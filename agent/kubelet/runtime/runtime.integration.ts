/**
 * The runtime layer on a real containerd of its own: needs root, containerd, runc and CNI plugins.
 * Run: npx jest agent/kubelet/runtime --testMatch '**\/*.integration.ts'
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { systemClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import {
  ContainerState,
  NamespaceMode,
  PodSandboxState,
  type LinuxContainerConfig,
  type LinuxPodSandboxConfig,
  type PodSandboxConfig,
} from '../../../proto/cri/runtime.gen.ts';
import { run } from '../../host/exec.ts';
import { readMountinfo } from '../../host/mountinfo.ts';
import { listProcesses, readProcess, sendSignal } from '../../host/processes.ts';
import { removeCgroupTree } from '../../host/cgroup-tree.ts';
import { detectCgroups } from '../../host/cgroup-layout.ts';
import type { ContainerEvent, GapEvent } from './container-event.ts';
import { ContainerEvents } from './container-events.ts';
import { ContainerdSupervisor, type ContainerdOptions } from './containerd/containerd-supervisor.ts';
import { ContainerdError } from './containerd/containerd-error.ts';
import { CriClient } from './cri-client.ts';
import { ImageImporter } from './images/image-importer.ts';
import { buildDemoImage, buildPauseImage, DEMO_IMAGE, PAUSE_IMAGE } from './images/own-images.ts';

jest.setTimeout(60_000);

const dir = mkdtempSync(join(tmpdir(), 'k8ts-runtime-'));
const bridge = `krt${process.pid % 100_000}`;
const cgroupParent = `/k8ts-runtime-${process.pid}`;
const options: ContainerdOptions = {
  root: join(dir, 'root'),
  stateDir: join(dir, 'state'),
  socketPath: join(dir, 'state', 'containerd.sock'),
  logPath: join(dir, 'containerd.log'),
  cniBinDirs: ['/opt/cni/bin', '/usr/lib/cni'],
  cniConfDir: join(dir, 'cni'),
  registryConfigDir: join(dir, 'registries'),
  sandboxImage: PAUSE_IMAGE,
  cgroupDriver: 'cgroupfs',
};

const client = new CriClient(options.socketPath);
const heard: (ContainerEvent | GapEvent)[] = [];
const waiting = new Set<() => void>();
const supervisor = new ContainerdSupervisor(options, systemClock, silentLogger);
const events = new ContainerEvents({
  client,
  clock: systemClock,
  logger: silentLogger,
  relistDelayMs: () => 1_000,
  onEvent: event => {
    heard.push(event);
    for (const look of waiting) look();
  },
});
const abort = new AbortController();
const runs: Promise<unknown>[] = [];

/** Resolves once an event that fits has been heard. */
function hear(fits: (event: ContainerEvent | GapEvent) => boolean): Promise<ContainerEvent | GapEvent> {
  return new Promise(resolve => {
    const look = () => {
      const event = heard.find(fits);
      if (event === undefined) return;
      waiting.delete(look);
      resolve(event);
    };
    waiting.add(look);
    look();
  });
}

function sandboxConfig(name: string): PodSandboxConfig {
  return {
    metadata: { name, uid: `uid-${name}`, namespace: 'default', attempt: 0 },
    hostname: name,
    logDirectory: join(dir, 'logs', name),
    linux: { cgroupParent: `${cgroupParent}/${name}` },
  };
}

async function runPod(
  name: string,
  command: string[],
  more: { linux?: LinuxContainerConfig; sandbox?: LinuxPodSandboxConfig } = {},
) {
  const base = sandboxConfig(name);
  const config = { ...base, linux: { ...base.linux, ...more.sandbox } };
  await mkdir(join(dir, 'logs', name), { recursive: true });
  const sandboxId = await client.runPodSandbox(config);
  const container = {
    metadata: { name: 'main', attempt: 0 },
    image: { image: DEMO_IMAGE },
    command,
    logPath: 'main.log',
    linux: more.linux,
  };
  const containerId = await client.createContainer(sandboxId, container, config);
  await client.startContainer(containerId);
  return { sandboxId, containerId };
}

/** Supervises until ready, as a k8ts does that is then killed. */
async function superviseOnce(changed: Partial<ContainerdOptions>): Promise<void> {
  const stop = new AbortController();
  const second = new ContainerdSupervisor({ ...options, ...changed }, systemClock, silentLogger);
  const running = second.run(stop.signal);
  await second.ready();
  stop.abort();
  await running;
}

const containerdPid = async () =>
  (JSON.parse(await readFile(join(options.stateDir, 'containerd.pid'), 'utf8')) as { pid: number }).pid;

beforeAll(async () => {
  await mkdir(options.cniConfDir, { recursive: true });
  const cni = {
    cniVersion: '0.4.0',
    name: bridge,
    plugins: [
      {
        type: 'bridge',
        bridge,
        isGateway: true,
        ipam: { type: 'host-local', dataDir: join(dir, 'ipam'), ranges: [[{ subnet: '10.213.77.0/24' }]] },
      },
    ],
  };
  await writeFile(join(options.cniConfDir, '10-test.conflist'), JSON.stringify(cni));
  runs.push(supervisor.run(abort.signal), events.run(abort.signal));
  await supervisor.ready();
  const importer = new ImageImporter({ socketPath: options.socketPath, images: client, clock: systemClock });
  expect(await importer.ensureImage(PAUSE_IMAGE, () => buildPauseImage())).toBe('imported');
  expect(await importer.ensureImage(DEMO_IMAGE, () => buildDemoImage())).toBe('imported');
  expect(await importer.ensureImage(PAUSE_IMAGE, () => buildPauseImage())).toBe('present');
});

afterAll(async () => {
  abort.abort();
  await Promise.allSettled(runs);
  client.close();
  await supervisor.reset();
  await removeCgroupTree(await detectCgroups(), cgroupParent);
  await run(['ip', 'link', 'delete', bridge]).catch(() => undefined);
  rmSync(dir, { recursive: true, force: true });
  const left = (await listProcesses()).filter(p => p.argv.some(arg => arg.includes(dir)));
  expect(left).toEqual([]);
  expect((await readMountinfo()).filter(m => m.mountPoint.startsWith(dir))).toEqual([]);
  expect(readdirSync('/sys/fs/cgroup').flatMap(c => listOrNone(join('/sys/fs/cgroup', c, cgroupParent)))).toEqual([]);
});

function listOrNone(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** CRI knows of an exit some milliseconds after the event. */
async function exitedStatus(containerId: string) {
  for (;;) {
    const { status } = await client.containerStatus(containerId);
    if (status?.state !== ContainerState.CONTAINER_RUNNING) return status;
  }
}

describe('a private containerd', () => {
  test('serves CRI v1, with runtime and network ready', async () => {
    expect((await client.checkVersion()).runtimeName).toBe('containerd');
    const { status } = await client.status();
    expect(status?.conditions.filter(c => !c.status)).toEqual([]);
  });

  test('runs a pod with an address, and tells start and exit with its code', async () => {
    const { sandboxId, containerId } = await runPod('exits', ['/bin/sh', '-c', 'echo hello; exit 7']);
    const exited = await hear(e => e.kind === 'exited' && e.containerId === containerId);
    expect(exited).toMatchObject({ exitCode: 7 });
    expect(heard.some(e => e.kind === 'started' && e.containerId === containerId)).toBe(true);
    const { status } = await client.podSandboxStatus(sandboxId);
    expect(status?.network?.ip).toMatch(/^10\.213\.77\./);
    expect(await exitedStatus(containerId)).toMatchObject({
      state: ContainerState.CONTAINER_EXITED,
      exitCode: 7,
    });
    expect(await readFile(join(dir, 'logs/exits/main.log'), 'utf8')).toContain('stdout F hello');
    await client.stopPodSandbox(sandboxId);
    await client.removePodSandbox(sandboxId);
    await client.removePodSandbox(sandboxId);
  });

  test('the demo image answers with the host name, and ends at once when told', async () => {
    const { sandboxId, containerId } = await runPod('demo', []);
    const fetched = await client.execSync(
      containerId,
      ['/bin/sh', '-c', 'until wget -qO- 127.0.0.1:8080; do :; done'],
      10,
    );
    expect(Buffer.from(fetched.stdout).toString()).toContain('demo');
    const startedMs = performance.now();
    const graceSeconds = 30;
    await client.stopContainer(containerId, graceSeconds);
    await client.stopPodSandbox(sandboxId);
    expect(performance.now() - startedMs).toBeLessThan((graceSeconds * 1000) / 2);
    await client.removePodSandbox(sandboxId);
  });

  test('tells that a container ran out of memory', async () => {
    // The shim watches memory only a moment after the start.
    const resources = { memoryLimitInBytes: 20n << 20n };
    const { sandboxId, containerId } = await runPod('oom', ['/bin/sh', '-c', 'sleep 0.3; tail /dev/zero'], {
      linux: { resources },
    });
    await hear(e => e.kind === 'oom' && e.containerId === containerId);
    await hear(e => e.kind === 'exited' && e.containerId === containerId);
    expect(await exitedStatus(containerId)).toMatchObject({ reason: 'OOMKilled' });
    await client.stopPodSandbox(sandboxId);
    await client.removePodSandbox(sandboxId);
  });

  test('the pause program reaps orphans of a shared process namespace', async () => {
    const namespaceOptions = { pid: NamespaceMode.POD };
    const { sandboxId, containerId } = await runPod(
      'shared',
      ['/bin/sh', '-c', 'for i in 1 2 3; do (sleep 0.01 & exec true); done; sleep 0.2; ps -o pid,stat,args; exit 0'],
      { linux: { securityContext: { namespaceOptions } }, sandbox: { securityContext: { namespaceOptions } } },
    );
    await hear(e => e.kind === 'exited' && e.containerId === containerId);
    const log = await readFile(join(dir, 'logs/shared/main.log'), 'utf8');
    expect(log).toContain('/pause');
    expect(log).not.toMatch(/ Z |\[sleep\]/);
    await client.stopPodSandbox(sandboxId);
    await client.removePodSandbox(sandboxId);
  });

  test('kill -9 of containerd: it comes back, containers live on, events after it arrive', async () => {
    const { sandboxId, containerId } = await runPod('survives', [
      '/bin/sh',
      '-c',
      'until [ -e /end ]; do sleep 0.05; done; exit 3',
    ]);
    const gapsBefore = heard.filter(e => e.kind === 'gap').length;
    const pid = await containerdPid();
    sendSignal(pid, 'SIGKILL');
    await hear(() => heard.filter(e => e.kind === 'gap').length > gapsBefore);
    expect(await containerdPid()).not.toBe(pid);
    let state: number | undefined;
    while (state === undefined)
      state = await client.containerStatus(containerId).then(
        s => s.status?.state,
        () => undefined,
      );
    expect(state).toBe(ContainerState.CONTAINER_RUNNING);
    await client.execSync(containerId, ['/bin/touch', '/end'], 10);
    expect(await hear(e => e.kind === 'exited' && e.containerId === containerId)).toMatchObject({ exitCode: 3 });
    expect((await client.podSandboxStatus(sandboxId)).status?.state).toBe(PodSandboxState.SANDBOX_READY);
    await client.stopPodSandbox(sandboxId);
    await client.removePodSandbox(sandboxId);
  });

  test('a second supervisor adopts it', async () => {
    const pid = await containerdPid();
    await superviseOnce({});
    expect(await containerdPid()).toBe(pid);
    expect((await readProcess(pid))?.state).not.toBe('Z');
  });

  test('says what to install where there is no containerd', async () => {
    const missing = new ContainerdSupervisor(
      { ...options, stateDir: join(dir, 'none'), binary: 'no-containerd-here' },
      systemClock,
      silentLogger,
    );
    const error = await missing.run(abort.signal).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ContainerdError);
    expect((error as Error).message).toContain('apt-get install containerd');
  });

  test('one of another configuration replaces it; containers live on', async () => {
    const { containerId } = await runPod('reconfigured', ['/bin/sleep', '1000']);
    abort.abort();
    await Promise.all(runs);
    const pid = await containerdPid();
    await superviseOnce({ registryConfigDir: join(dir, 'other-registries') });
    expect(await containerdPid()).not.toBe(pid);
    expect(await readProcess(pid)).toBeUndefined();
    expect((await client.containerStatus(containerId)).status?.state).toBe(ContainerState.CONTAINER_RUNNING);
  });
});
