/**
 * Pulls images: so many at once, each once for all who wait for it, watched for as long as it takes.
 *
 * - A pull has no deadline. One that stands still lends its place to the next one after `LEND_MS`, and is given up after `STALL_MS`.
 * - Who waits for a pull may leave; the last who leaves ends it.
 */
import type { AuthConfig } from '../../../proto/cri/runtime.gen.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { RegistryLogin } from './plan/docker-config.ts';
import { fullImageName, type ImageName } from './plan/image-name.ts';
import { firstProgress, nextProgress, progressText, standsStillMs, type PullProgress } from './plan/pull-progress.ts';
import { Gate } from '../pods/gate.ts';
import type { SampleDownloads } from '../runtime/images/download-progress.ts';
import { RuntimeError } from '../runtime/runtime-error.ts';
import type { ImageService } from '../runtime/runtime-service.ts';
import { PullRate } from './pull-rate.ts';

export interface ImagePullerOptions {
  readonly images: ImageService;
  readonly downloads: SampleDownloads;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Pulls at once. */
  readonly limit: number;
  readonly perSecond: number;
  readonly burst: number;
}

/** A pull that ended well. */
export interface Pulled {
  /** The image's id, as the runtime gives it. */
  readonly imageRef: string;
  /** Without waiting for a place. */
  readonly tookMs: number;
}

/** Who waits for a pull. */
export interface PullWaiter {
  /** Leaves. */
  readonly signal: AbortSignal;
  /** Told now and then of a pull that takes long, with its age and a clause such as `downloaded 120.5 MB`. */
  readonly onLong: (ageMs: number, progress: string) => void;
}

interface Pull {
  readonly result: Promise<Pulled>;
  readonly waiters: Set<PullWaiter>;
  readonly stop: AbortController;
}

const LOOK_MS = 10_000;
const LEND_MS = 20_000;
const STALL_MS = 120_000;
/** First word to those who wait; each further one after twice as long, up to the last. */
const TELL_MS = 30_000;
const MAX_TELL_MS = 600_000;

export class ImagePuller {
  private readonly options: ImagePullerOptions;
  private readonly gate: Gate;
  private readonly rate: PullRate;
  /** By image and login. */
  private readonly pulls = new Map<string, Pull>();

  constructor(options: ImagePullerOptions) {
    this.options = options;
    this.gate = new Gate({ limit: options.limit, clock: options.clock });
    this.rate = new PullRate(options);
  }

  /** @throws RuntimeError as the runtime said, or DeadlineExceeded when nothing moved; the signal's reason */
  async pull(name: ImageName, login: RegistryLogin | undefined, waiter: PullWaiter): Promise<Pulled> {
    waiter.signal.throwIfAborted();
    const key = JSON.stringify([fullImageName(name), login]);
    const pull = this.pulls.get(key) ?? this.begin(key, name, login);
    pull.waiters.add(waiter);
    const left = new Promise<never>((_, reject) => {
      waiter.signal.addEventListener('abort', () => reject(waiter.signal.reason as Error), { once: true });
    });
    try {
      return await Promise.race([pull.result, left]);
    } finally {
      pull.waiters.delete(waiter);
      if (pull.waiters.size === 0) this.end(key, pull);
    }
  }

  private end(key: string, pull: Pull): void {
    if (this.pulls.get(key) === pull) this.pulls.delete(key);
    pull.stop.abort();
  }

  private begin(key: string, name: ImageName, login: RegistryLogin | undefined): Pull {
    const stop = new AbortController();
    const waiters = new Set<PullWaiter>();
    const run = async (leave: () => void): Promise<Pulled> => {
      await this.rate.turn(stop.signal);
      return this.pullWatched(name, login, { waiters, leave, stop: stop.signal });
    };
    const result = this.gate.run(run, stop.signal);
    result.catch(() => undefined);
    const pull = { result, waiters, stop };
    this.pulls.set(key, pull);
    return pull;
  }

  private async pullWatched(
    name: ImageName,
    login: RegistryLogin | undefined,
    watched: { waiters: ReadonlySet<PullWaiter>; leave: () => void; stop: AbortSignal },
  ): Promise<Pulled> {
    const { images, clock } = this.options;
    const startedMs = clock.monotonicMs();
    const ended = new AbortController();
    const given = new AbortController();
    const signal = AbortSignal.any([watched.stop, given.signal]);
    const giveUp = (detail: string): void => {
      given.abort(new RuntimeError('DeadlineExceeded', 'PullImage', detail, clock.monotonicMs() - startedMs));
    };
    void this.watch(name, { ...watched, ended: ended.signal, giveUp }).catch(() => undefined);
    try {
      const auth = login === undefined ? {} : { auth: authOf(login) };
      const imageRef = await images.pullImage({ image: fullImageName(name) }, { ...auth, signal });
      return { imageRef, tookMs: clock.monotonicMs() - startedMs };
    } finally {
      ended.abort();
    }
  }

  /** Looks how far the pull is until it ends. Throws only when it ended. */
  private async watch(
    name: ImageName,
    pull: {
      waiters: ReadonlySet<PullWaiter>;
      leave: () => void;
      ended: AbortSignal;
      giveUp: (detail: string) => void;
    },
  ): Promise<void> {
    const { clock } = this.options;
    const startedMs = clock.monotonicMs();
    const sinceMs = clock.now();
    let progress: PullProgress | undefined = firstProgress(startedMs);
    let tellMs = TELL_MS;
    for (;;) {
      await clock.sleep(LOOK_MS, pull.ended);
      progress = progress === undefined ? undefined : await this.look(name, progress, sinceMs, pull.ended);
      const nowMs = clock.monotonicMs();
      const ageMs = nowMs - startedMs;
      const stillMs = progress === undefined ? 0 : standsStillMs(progress, nowMs);
      // Without word of it, what takes long may stand still: it must not keep others waiting.
      if (stillMs >= LEND_MS || (progress === undefined && ageMs >= LEND_MS)) pull.leave();
      const clause =
        progress === undefined ? 'the runtime does not tell how far it is' : progressText(progress, name.domain);
      if (stillMs >= STALL_MS) {
        return pull.giveUp(`no progress for ${Math.round(stillMs / 1000)}s (${clause})`);
      }
      if (ageMs < tellMs) continue;
      tellMs += Math.min(tellMs, MAX_TELL_MS);
      for (const waiter of pull.waiters) waiter.onLong(ageMs, clause);
    }
  }

  /** @returns undefined where the runtime cannot tell */
  private async look(
    name: ImageName,
    last: PullProgress,
    sinceMs: number,
    ended: AbortSignal,
  ): Promise<PullProgress | undefined> {
    const { downloads, clock, logger } = this.options;
    try {
      const sample = await downloads(name, sinceMs, ended);
      return sample === undefined ? undefined : nextProgress(last, sample, clock.monotonicMs());
    } catch (error) {
      ended.throwIfAborted();
      // A runtime that does not answer says nothing about the registry: its time does not count.
      logger.debug({ err: error, image: fullImageName(name) }, 'Cannot see how far a pull is');
      return { ...last, movedAtMs: clock.monotonicMs() };
    }
  }
}

/**
 * The server's address stays empty: the key that fitted the image has decided already. containerd takes it for a URL, fails on "host:5000",
 * and would hold the credentials back from mirrors.
 */
function authOf({ username, password, identityToken, registryToken }: RegistryLogin): AuthConfig {
  return { username, password, identityToken, registryToken };
}
