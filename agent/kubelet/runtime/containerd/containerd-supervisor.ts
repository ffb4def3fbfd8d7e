/**
 * Keeps a private containerd running: configures it for its version and this host, starts or adopts it, starts it again when it
 * dies, and takes it away.
 *
 * - The end of `run` leaves containerd and its containers running: a restart of ours is none of theirs. `stop` ends containerd
 *   (containers go on, held by their shims), `reset` ends everything and deletes it.
 * - A containerd of another configuration is replaced; containers do not notice.
 * - It is ready once CRI answers, not when its socket appears.
 */
import { createHash } from 'node:crypto';
import { chmod, access, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../../../machinery/process/clock.ts';
import type { Component } from '../../../../machinery/process/component.ts';
import type { Logger } from '../../../../machinery/process/logger.ts';
import { readCapabilities } from '../../../host/capabilities.ts';
import { rotateLog } from '../../../host/daemon.ts';
import { run as runCommand } from '../../../host/exec.ts';
import { CommandError } from '../../../host/command-error.ts';
import { readProcess, ticksNow, TICKS_PER_SECOND } from '../../../host/processes.ts';
import { CriClient } from '../cri-client.ts';
import { RuntimeError } from '../runtime-error.ts';
import { resetContainerd, type ContainerdRemains } from './containerd-reset.ts';
import { ContainerdError } from './containerd-error.ts';
import { ContainerdProcess, type ContainerdRecord } from './containerd-process.ts';
import { StrayNamespaces } from './stray-namespaces.ts';
import { endStrayShims } from './stray-shims.ts';
import { parseContainerdVersion, renderContainerdConfig } from './plan/containerd-config.ts';

/** Where the private containerd lives and what it is told. Paths are absolute; directories are made if missing. */
export interface ContainerdOptions {
  /** Images and snapshots, for example /var/lib/k8ts/containerd. */
  readonly root: string;
  /** What does not outlive a reboot, for example /run/k8ts/containerd. */
  readonly stateDir: string;
  readonly socketPath: string;
  readonly logPath: string;
  /** Where CNI plugins may be, in order of preference; those without any are left out. */
  readonly cniBinDirs: readonly string[];
  readonly cniConfDir: string;
  readonly registryConfigDir: string;
  /** Full name, for example PAUSE_IMAGE. */
  readonly sandboxImage: string;
  readonly cgroupDriver: 'cgroupfs' | 'systemd';
  /** Program; default `containerd` of the PATH. */
  readonly binary?: string;
}

const READY_TIMEOUT_MS = 30_000;
const LOOK_AGAIN_MS = 10;
const MIN_RESTART_MS = 100;
const MAX_RESTART_MS = 30_000;
/** A containerd that ran so long is not one that fails at start. */
const STEADY_MS = 60_000;
const MAX_LOG_BYTES = 10 * 1024 * 1024;
const LOG_CHECK_MS = 600_000;
const MAX_CONCURRENT_DOWNLOADS = 3;
const LOOKS_MS = [0, 5_000, 20_000, 60_000];
const LAST_LOOK_MS = 300_000;
/** No sandbox takes as long to be made. */
const SANDBOX_MS = 240_000;
const SANDBOX_TICKS = (SANDBOX_MS / 1_000) * TICKS_PER_SECOND;

export class ContainerdSupervisor implements Component {
  readonly name = 'containerd';
  private readonly options: ContainerdOptions;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly process: ContainerdProcess;
  private readonly strayNamespaces: StrayNamespaces;
  private readonly firstReady: Promise<void>;
  private settleReady: { resolve: () => void; reject: (error: unknown) => void } = { resolve() {}, reject() {} };

  constructor(options: ContainerdOptions, clock: Clock, logger: Logger) {
    this.options = options;
    this.clock = clock;
    this.logger = logger;
    this.process = new ContainerdProcess({ ...options, clock });
    this.strayNamespaces = new StrayNamespaces(options.stateDir, SANDBOX_MS);
    this.firstReady = new Promise((resolve, reject) => (this.settleReady = { resolve, reject }));
    this.firstReady.catch(() => undefined);
  }

  ready(): Promise<void> {
    return this.firstReady;
  }

  /** @throws ContainerdError when containerd is missing, too old, or does not come up the first time */
  async run(signal: AbortSignal): Promise<void> {
    const stopLogChecks = this.keepLogBounded();
    try {
      let restartMs = MIN_RESTART_MS;
      for (let first = true; !signal.aborted; first = false) {
        const startedMs = this.clock.monotonicMs();
        try {
          const record = await this.ensureRunning(signal);
          this.settleReady.resolve();
          const stopLooking = this.lookForStrays(record);
          await this.process.waitForEnd(record, signal).finally(stopLooking);
          if (signal.aborted) return;
          if (this.clock.monotonicMs() - startedMs > STEADY_MS) restartMs = MIN_RESTART_MS;
          this.logger.warn({ pid: record.pid, restartMs }, 'containerd ended; starting it again');
        } catch (error) {
          if (signal.aborted) return;
          if (first) throw error;
          this.logger.error({ error, restartMs }, 'containerd does not start; trying again');
        }
        await this.clock.sleep(restartMs, signal).catch(() => undefined);
        restartMs = Math.min(restartMs * 2, MAX_RESTART_MS);
      }
    } catch (error) {
      this.settleReady.reject(error);
      throw error;
    } finally {
      stopLogChecks();
    }
  }

  /** Ends containerd; containers go on. */
  async stop(): Promise<void> {
    const record = await this.process.find();
    if (record !== undefined) await this.process.stop(record);
  }

  /** Ends containerd and all its containers, and deletes its files; tells what there was. */
  async reset(): Promise<ContainerdRemains> {
    await this.stop();
    return resetContainerd(this.options);
  }

  /** Adopts or starts it, and waits until CRI answers. */
  private async ensureRunning(signal: AbortSignal): Promise<ContainerdRecord> {
    const { stateDir, socketPath } = this.options;
    const { configPath, configHash, argv } = await this.configure();
    const found = await this.process.find();
    // A socket that somebody deleted does not come back while its containerd lives: no use waiting for it.
    const reachable = found?.configHash === configHash && (await isThere(socketPath));
    if (reachable && (await this.isServing(found, signal))) {
      this.logger.info({ pid: found.pid, socketPath }, 'Adopted the running containerd');
      return found;
    }
    if (found !== undefined) {
      this.logger.info({ pid: found.pid }, 'Replacing a containerd of another configuration or without answer');
      await this.process.stop(found);
    }
    const startedMs = this.clock.monotonicMs();
    const record = await this.process.start(argv, configHash);
    if (!(await this.isServing(record, signal))) {
      await this.process.stop(record);
      const afterMs = Math.round(this.clock.monotonicMs() - startedMs);
      throw new ContainerdError(
        `containerd did not serve CRI at ${socketPath} after ${afterMs} ms; see ${this.options.logPath} (configuration ${configPath}, state ${stateDir})`,
      );
    }
    const readyMs = Math.round(this.clock.monotonicMs() - startedMs);
    this.logger.info({ pid: record.pid, socketPath, readyMs }, 'containerd is ready');
    return record;
  }

  /** Writes config.toml for the containerd that is installed. */
  private async configure(): Promise<{ configPath: string; configHash: string; argv: readonly string[] }> {
    const { options } = this;
    const binary = options.binary ?? 'containerd';
    const [versionText, capabilities, cniBinDirs] = await Promise.all([
      this.askVersion(binary),
      readCapabilities(),
      existing(options.cniBinDirs),
    ]);
    const version = parseContainerdVersion(versionText);
    if (version === undefined || version.major < 1 || (version.major === 1 && version.minor < 6)) {
      throw new ContainerdError(`containerd 1.6 or newer is needed; ${binary} says "${versionText.trim()}"`);
    }
    const restrictOomScoreAdj = !capabilities.has('CAP_SYS_RESOURCE');
    if (restrictOomScoreAdj) {
      this.logger.warn({}, 'No CAP_SYS_RESOURCE: out-of-memory scores of containers cannot be lowered here');
    }
    const text = renderContainerdConfig({
      version,
      root: options.root,
      state: options.stateDir,
      socket: options.socketPath,
      cniBinDirs,
      cniConfDir: options.cniConfDir,
      sandboxImage: options.sandboxImage,
      cgroupDriver: options.cgroupDriver,
      registryConfigDir: options.registryConfigDir,
      snapshotter: 'overlayfs',
      restrictOomScoreAdj,
      maxConcurrentDownloads: MAX_CONCURRENT_DOWNLOADS,
    });
    const configPath = join(options.stateDir, 'config.toml');
    const directories = [options.root, options.stateDir, dirname(options.socketPath), dirname(options.logPath)];
    for (const dir of [...directories, options.cniConfDir, options.registryConfigDir]) {
      await mkdir(dir, { recursive: true, mode: 0o711 });
    }
    // Whatever our umask: a root of a user namespace reaches its container's file system by this path.
    await chmod(options.stateDir, 0o711);
    await writeFile(configPath, text, { mode: 0o600 });
    const argv = [binary, '--config', configPath];
    const configHash = createHash('sha256').update(text).update(versionText).digest('hex');
    return { configPath, configHash, argv };
  }

  private async askVersion(binary: string): Promise<string> {
    try {
      return (await runCommand([binary, '--version'])).stdout;
    } catch (cause) {
      if (!(cause instanceof CommandError) || cause.exitCode !== undefined) throw cause;
      throw new ContainerdError(
        `Cannot run ${binary}: ${cause.reason ?? 'it was killed'}; install it (Debian: apt-get install containerd runc) or name another runtime with --container-runtime-endpoint`,
        { cause },
      );
    }
  }

  /** Waits until CRI answers; false if the process ended or time is up. */
  private async isServing(record: ContainerdRecord, signal: AbortSignal): Promise<boolean> {
    const client = new CriClient(this.options.socketPath);
    const untilMs = this.clock.monotonicMs() + READY_TIMEOUT_MS;
    try {
      while (this.clock.monotonicMs() < untilMs) {
        signal.throwIfAborted();
        try {
          await client.status({ signal, timeoutMs: READY_TIMEOUT_MS });
          return true;
        } catch (error) {
          // Away, or up but its CRI service not yet set up: both come as RuntimeError.
          if (!(error instanceof RuntimeError)) throw error;
          // containerd serves without its CRI plugin when that could not be loaded; waiting does not bring it.
          if (error.grpcCode === 'Unimplemented') return false;
        }
        if (!(await this.process.isAlive(record))) return false;
        await this.clock.sleep(LOOK_AGAIN_MS, signal);
      }
      return false;
    } finally {
      client.close();
    }
  }

  /**
   * Looks for strays at once, again and again for a minute (what this containerd knew at its start may be removed, but for its shim), and
   * when every sandbox that the one before was making must have been given up.
   */
  private lookForStrays({ pid }: ContainerdRecord): () => void {
    const sinceBirth = async (): Promise<void> => {
      const process = await readProcess(pid);
      if (process !== undefined) await this.endStrays(process.startTicks);
    };
    const cancels = [
      ...LOOKS_MS.map(delayMs => this.clock.after(delayMs, () => void sinceBirth())),
      this.clock.after(LAST_LOOK_MS, () => void this.endStrays(ticksNow() - SANDBOX_TICKS)),
    ];
    return () => cancels.forEach(cancel => cancel());
  }

  /** Never rejects. */
  private async endStrays(beforeTicks: number): Promise<void> {
    const { socketPath, stateDir } = this.options;
    const client = new CriClient(socketPath);
    try {
      const ended = await endStrayShims(client, { socketPath, stateDir, beforeTicks });
      if (ended.length > 0) this.logger.info({ sandboxes: ended }, 'Ended what a killed containerd had half made');
      const namespaces = await this.strayNamespaces.look(this.clock.monotonicMs());
      if (namespaces.length > 0) this.logger.info({ namespaces }, 'Removed network namespaces that nobody is in');
    } catch (error) {
      this.logger.warn({ error }, 'Cannot look for what a killed containerd left');
    } finally {
      client.close();
    }
  }

  private keepLogBounded(): () => void {
    let cancel = () => {};
    const check = () => {
      cancel = this.clock.after(LOG_CHECK_MS, check);
      rotateLog(this.options.logPath, MAX_LOG_BYTES).catch((error: unknown) =>
        this.logger.warn({ error, path: this.options.logPath }, 'Cannot rotate the log of containerd'),
      );
    };
    check();
    return () => cancel();
  }
}

/** The directories that exist; all of them if none does, so that an error names a real candidate. */
async function existing(directories: readonly string[]): Promise<readonly [string, ...string[]]> {
  const there = await Promise.all(directories.map(dir => isThere(join(dir, 'bridge'))));
  const [first = '/opt/cni/bin', ...rest] = directories.some((_, i) => there[i])
    ? directories.filter((_, i) => there[i])
    : directories;
  return [first, ...rest];
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
