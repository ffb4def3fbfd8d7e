/**
 * A running k8ts: lock, log, control socket, components in order, orderly stop. The parts themselves come from `roots/`.
 */
import { chmodSync, mkdirSync } from 'node:fs';
import { sdNotify } from '../agent/host/sd-notify.ts';
import { UnusedMemory } from '../agent/host/unused-memory.ts';
import { errorText } from '../machinery/meta/error-text.ts';
import { aborted } from '../machinery/process/aborted.ts';
import { systemClock } from '../machinery/process/clock.ts';
import type { Component } from '../machinery/process/component.ts';
import { createLogger, type LogLevel } from '../machinery/process/create-logger.ts';
import type { Logger } from '../machinery/process/logger.ts';
import { nodeNameOf, type Config } from './config.ts';
import { ControlSocket, type DaemonStatus, type Questions } from './control-socket.ts';
import { CliError, exitCodes } from './exit-codes.ts';
import { pathsOf, type Paths } from './paths.ts';
import { takePidLock } from './pid-lock.ts';
import { Progress } from './progress.ts';
import { rememberConfig } from './started-with.ts';
import { k8tsVersion } from './version.ts';

export type Role = 'up' | 'server' | 'agent';

/** What a role is built from; it starts components by `start` and describes itself through `facts`. */
export interface DaemonContext {
  config: Config;
  paths: Paths;
  progress: Progress;
  logger: Logger;
  signal: AbortSignal;
  /** Runs a component until the process stops and resolves when it is ready. If it ends before, the process stops with its error. */
  start(component: Component): Promise<void>;
  /** What `k8ts status` shows besides the steps. */
  facts: Partial<DaemonStatus>;
  /** What commands may ask it by its control socket. */
  questions: Questions;
}

const STOP_TIMEOUT_MS = 60_000;

/** Runs until SIGTERM, SIGINT, `k8ts down` or the failure of a part. */
export async function runDaemon(
  role: Role,
  config: Config,
  assemble: (context: DaemonContext) => Promise<void>,
): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new CliError('Running containers needs root; try: sudo k8ts ' + role, exitCodes.notRoot);
  const paths = pathsOf(config);
  process.umask(0o027);
  for (const directory of [paths.dataDir, paths.configDir, paths.runDir, paths.logDir])
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  // Roots of user namespaces, who are others here, find their containers' file systems below it.
  chmodSync(paths.runDir, 0o751);
  const release = takePidLock(paths.lock, role);
  rememberConfig(config);
  const logger = await createLogger({
    level: config.logLevel as LogLevel,
    format: config.logFormat === 'json' ? 'json' : 'text',
  });
  const progress = new Progress(systemClock);
  const stop = new AbortController();
  const startedAt = new Date();
  let phase = 'starting' as DaemonStatus['phase'];
  let failure: unknown;
  const components: { name: string; done: Promise<void>; abort: AbortController }[] = [];
  const questions: Questions = new Map();
  const facts: Partial<DaemonStatus> = { nodeName: nodeNameOf(config) };

  const fail = (error: unknown): void => {
    // Whoever is told to stop while it starts has not failed.
    if (stop.signal.aborted && error instanceof Error && error.name === 'AbortError') return;
    failure ??= error;
    phase = 'failed';
    stop.abort();
  };
  const start = async (component: Component): Promise<void> => {
    const abort = new AbortController();
    const done = component.run(abort.signal).then(
      () => {
        if (!abort.signal.aborted) fail(new Error(`${component.name} ended by itself`));
      },
      (error: unknown) => {
        if (!abort.signal.aborted) fail(error);
        else logger.warn({ component: component.name, err: error }, 'a part did not stop cleanly');
      },
    );
    components.push({ name: component.name, done, abort });
    await Promise.race([component.ready(), done]);
    if (failure !== undefined) throw failure;
  };
  const status = (): DaemonStatus => ({
    version: k8tsVersion,
    pid: process.pid,
    role,
    phase,
    startedAt: startedAt.toISOString(),
    uptimeSeconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
    steps: progress.steps(),
    ...facts,
  });

  const onSignal = (): void => stop.abort();
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  process.on('SIGHUP', () => {});
  try {
    await start(new ControlSocket(paths.controlSocket, status, questions, () => stop.abort()));
    await start(new UnusedMemory(systemClock));
    const assembled = assemble({ config, paths, progress, logger, signal: stop.signal, start, facts, questions }).then(
      () => {
        if (stop.signal.aborted) return;
        phase = 'running';
        void sdNotify(['READY=1'], logger);
        logger.info({ role, ms: Math.round(process.uptime() * 1000) }, 'k8ts is ready');
      },
      fail,
    );
    await Promise.race([aborted(stop.signal), assembled.then(() => aborted(stop.signal))]);
  } catch (error) {
    failure ??= error;
  } finally {
    if (phase !== 'failed') phase = 'stopping';
    void sdNotify(['STOPPING=1'], logger);
    const deadline = setTimeout(() => {
      logger.error({}, 'stopping took too long; leaving');
      process.exit(exitCodes.timedOut);
    }, STOP_TIMEOUT_MS);
    for (const component of components.reverse()) {
      component.abort.abort();
      await component.done;
    }
    clearTimeout(deadline);
    release();
  }
  if (failure !== undefined) {
    logger.error({ err: failure }, 'k8ts stops');
    throw failure instanceof CliError
      ? failure
      : new CliError(errorText(failure), exitCodes.failed, {
          cause: failure,
        });
  }
}
