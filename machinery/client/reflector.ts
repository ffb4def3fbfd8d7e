/**
 * Keeps a store equal to what the server has of one resource: lists once, then watches from there.
 *
 * - A broken watch resumes at the last resourceVersion seen (bookmarks count). Only when the server says Expired, or does not know that
 *   version, is the list made again; never on a clock.
 * - A store never goes back in time: a new list is asked to be at least as new as what was seen, unless that version is gone.
 * Source: the behaviour of client-go `tools/cache/reflector.go`.
 */
import type { ObjectMeta } from '../../proto/api/meta-v1.ts';
import { isExpired } from '../meta/status-error-from.ts';
import { StatusError } from '../meta/status-error.ts';
import type { Clock } from '../process/clock.ts';
import type { Logger } from '../process/logger.ts';
import { Backoff } from './backoff.ts';
import type { ResourceClient } from './client.ts';
import type { InformerScope } from './informer.ts';
import type { AnyObject } from './resource.ts';

/** What a reflector fills. Called in the server's order, never concurrently. */
export interface ReflectorTarget<T extends AnyObject> {
  /** The whole truth. */
  replace(items: readonly T[]): void;
  /** An object was added or changed. */
  put(object: T): void;
  remove(object: T): void;
}

export interface ReflectorOptions<T extends AnyObject> {
  /** Names the resource in logs. */
  name: string;
  client: ResourceClient<T>;
  scope: InformerScope;
  target: ReflectorTarget<T>;
  /** What of each object is kept, for those who need little of many: lists then come page by page, and no more than one page is held whole. */
  keep?: ((object: T) => T) | undefined;
  /** The first list is the newest there is, instead of what the server has in its cache. */
  fromNewest?: boolean | undefined;
  clock: Clock;
  logger: Logger;
  /** In [0, 1); default Math.random. */
  random?: (() => number) | undefined;
}

/** A watch that ends sooner than this without an event counts as a failure, so that a broken server is not hammered. */
const SHORT_WATCH_MS = 1000;
const LONGEST_WATCH_SECONDS = 3600;
const PAGE = 500;

export class Reflector<T extends AnyObject> {
  private readonly options: ReflectorOptions<T>;
  private readonly backoff: Backoff;
  private readonly random: () => number;
  private readonly keep: ((object: T) => T) | undefined;
  /** Undefined: list before watching. */
  private version: string | undefined;
  /** What a list must be at least as new as: `0` takes the server's cache as it is, empty asks for the newest. */
  private listAt: string;
  private failing = false;

  constructor(options: ReflectorOptions<T>) {
    this.options = options;
    this.listAt = options.fromNewest === true ? '' : '0';
    this.random = options.random ?? Math.random;
    this.keep = options.keep ?? (options.scope.ownershipOnly === true ? ownershipOf : undefined);
    this.backoff = new Backoff({ random: this.random });
  }

  /** Runs until `signal` aborts; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.version === undefined) await this.list(signal);
        const healthy = await this.watch(signal);
        if (!healthy) await this.pause(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.onFailure(error);
        await this.pause(signal);
      }
    }
  }

  private async list(signal: AbortSignal): Promise<void> {
    const { client, scope, target } = this.options;
    const whole = { ...scope, resourceVersion: this.listAt, signal };
    const { keep } = this;
    const { items, resourceVersion } = await (keep === undefined ? client.list(whole) : this.listPages(keep, signal));
    if (signal.aborted) return;
    target.replace(items);
    this.seen(resourceVersion);
    this.onSuccess();
  }

  /** Page by page, so that no more than one page of whole objects is held at a time. */
  private async listPages(
    keep: (object: T) => T,
    signal: AbortSignal,
  ): Promise<{ items: T[]; resourceVersion: string }> {
    const { client, scope } = this.options;
    const notOlder = this.listAt === '' ? {} : { resourceVersionMatch: 'NotOlderThan' as const };
    let page = await client.list({ ...scope, ...notOlder, resourceVersion: this.listAt, limit: PAGE, signal });
    const { resourceVersion } = page;
    const items = page.items.map(keep);
    while (page.continue !== undefined && page.continue !== '') {
      page = await client.list({ ...scope, continue: page.continue, limit: PAGE, signal });
      for (const object of page.items) items.push(keep(object));
    }
    return { items, resourceVersion };
  }

  /** @returns false if the watch ended suspiciously soon */
  private async watch(signal: AbortSignal): Promise<boolean> {
    const { client, scope, target, clock } = this.options;
    const beganMs = clock.monotonicMs();
    const timeoutSeconds = Math.floor(LONGEST_WATCH_SECONDS * (0.5 + this.random() / 2));
    let events = 0;
    const stream = client.watch({
      ...scope,
      resourceVersion: this.version,
      allowWatchBookmarks: true,
      timeoutSeconds,
      signal,
    });
    for await (const { type, object } of stream) {
      if (signal.aborted) return true;
      if (events++ === 0) this.onSuccess();
      // A bookmark has nothing but a version.
      const kept = type === 'BOOKMARK' ? undefined : (this.keep?.(object) ?? object);
      if (kept !== undefined && type === 'DELETED') target.remove(kept);
      else if (kept !== undefined) target.put(kept);
      this.seen(object.metadata.resourceVersion);
    }
    return events > 0 || clock.monotonicMs() - beganMs >= SHORT_WATCH_MS;
  }

  private seen(version: string | undefined): void {
    if (version === undefined || version === '') return;
    this.version = version;
    this.listAt = version;
  }

  private onSuccess(): void {
    if (this.failing) this.options.logger.info({ resource: this.options.name }, 'Watching again');
    this.failing = false;
    this.backoff.reset();
  }

  private onFailure(error: unknown): void {
    const { logger, name } = this.options;
    if (isExpired(error) || isUnknownVersion(error)) {
      logger.debug({ resource: name, resourceVersion: this.version }, 'Resource version is gone; listing again');
      this.version = undefined;
      this.listAt = '';
      return;
    }
    logger[this.failing ? 'debug' : 'warn']({ resource: name, err: error }, 'List or watch failed; trying again');
    this.failing = true;
  }

  private async pause(signal: AbortSignal): Promise<void> {
    await this.options.clock.sleep(this.backoff.nextMs(), signal).catch(() => undefined);
  }
}

/** The server has not reached the version yet, or never will because its data was replaced. */
function isUnknownVersion(error: unknown): boolean {
  return (
    error instanceof StatusError && error.details?.causes?.some(c => c.reason === 'ResourceVersionTooLarge') === true
  );
}

/** Fields that are not set are left out: there are as many of these as there are objects. */
function ownershipOf<T extends AnyObject>({ apiVersion, kind, metadata }: T): T {
  const { name, namespace, uid, resourceVersion, deletionTimestamp, ownerReferences, finalizers } = metadata;
  const kept: ObjectMeta = { name, uid, resourceVersion };
  if (namespace !== undefined) kept.namespace = namespace;
  if (deletionTimestamp !== undefined) kept.deletionTimestamp = deletionTimestamp;
  if (ownerReferences !== undefined) kept.ownerReferences = ownerReferences;
  if (finalizers !== undefined) kept.finalizers = finalizers;
  return { apiVersion, kind, metadata: kept } as T;
}
