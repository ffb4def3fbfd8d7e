/**
 * Follows every kind that discovery lists and that can be listed, watched and deleted.
 *
 * Discovery is asked at start, when kinds are made or withdrawn (definitions and aggregated APIs are kinds themselves, and followed as such), when
 * an owner is of a kind that nobody knows, and again while a group does not answer. Never on a clock.
 */
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import type { AnyObject, Resource } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { splitApiVersion } from '../../../machinery/meta/object.ts';
import { runQueue, type ControllerContext } from '../runtime/controller.ts';
import { discoverResources, type DiscoveredResource } from '../runtime/discover-resources.ts';

/** Events are owned by nobody and change all the time. */
const IGNORED = new Set(['events', 'events.events.k8s.io']);
const DEFINING = new Set(['customresourcedefinitions.apiextensions.k8s.io', 'apiservices.apiregistration.k8s.io']);
/** What defines a kind is there a moment before the kind. */
const DEFINED_AFTER_MS = 500;
const FAILED_AGAIN_MS = 30_000;
/** A kind that cannot be listed keeps others from being collected for so long, as upstream. */
const FIRST_LISTS_MS = 30_000;
const VERBS = ['list', 'watch', 'delete'];
const KEY = 'discovery';

export interface KindsHandler {
  onChange(resource: Resource<AnyObject>, object: AnyObject): void;
  onGone(object: AnyObject): void;
  /** Kinds have come or gone. */
  onKinds(): void;
}

interface Followed {
  readonly resource: Resource<AnyObject>;
  readonly informer: Informer<AnyObject>;
  readonly stop: AbortController;
}

export class CollectedKinds implements Reconciler {
  private readonly context: ControllerContext;
  private readonly handler: KindsHandler;
  private readonly queue: WorkQueue;
  /** By group and kind, as owner references name them. */
  private readonly followed = new Map<string, Followed>();
  private readonly firstDiscovery: Promise<void>;
  private onDiscovered: () => void = () => undefined;

  constructor(context: ControllerContext, handler: KindsHandler) {
    this.context = context;
    this.handler = handler;
    this.queue = new WorkQueue({ clock: context.clock, maxDelayMs: FAILED_AGAIN_MS });
    this.firstDiscovery = new Promise(resolve => (this.onDiscovered = resolve));
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue } = this;
    queue.add(KEY);
    return runQueue(
      { name: 'garbage-collector-kinds', context, queue, reconciler: this, informers: [], workers: 1 },
      signal,
    );
  }

  /** Resolves when all kinds have been listed, or those that can be. */
  async synced(): Promise<void> {
    await this.firstDiscovery;
    const lists = [...this.followed.values()].map(({ informer }) => informer.synced());
    const enough = new AbortController();
    const late = this.context.clock.sleep(FIRST_LISTS_MS, enough.signal).catch(() => undefined);
    await Promise.race([Promise.all(lists), late]);
    enough.abort();
  }

  /** Asks discovery again soon. */
  refresh(): void {
    this.queue.addAfter(KEY, DEFINED_AFTER_MS);
  }

  /** The kind that a reference names; its version does not matter. */
  find(apiVersion: string, kind: string): Resource<AnyObject> | undefined {
    return this.followed.get(keyOf(splitApiVersion(apiVersion).group, kind))?.resource;
  }

  async reconcile(_key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { resources, failures } = await discoverResources(this.context.client, signal);

    const served = new Map(resources.filter(isCollected).map(each => [keyOf(each.group, each.kind), each]));
    const unknown = new Set(failures.map(({ groupVersion }) => splitApiVersion(groupVersion).group));
    for (const { groupVersion, error } of failures)
      this.context.logger.warn({ groupVersion, err: error }, 'Garbage of a group is not collected: no discovery');
    let changed = false;
    for (const [key, followed] of this.followed) {
      const { resource } = followed;
      const now = served.get(key);
      const isSame = now?.version === resource.version && now.resource === resource.resource;
      if (isSame || (now === undefined && unknown.has(resource.group))) continue;
      this.leave(key, followed);
      changed = true;
    }
    for (const [key, resource] of served) {
      if (this.followed.has(key)) continue;
      this.follow(key, resource);
      changed = true;
    }
    this.onDiscovered();
    if (changed) this.handler.onKinds();
    return failures.length > 0 ? { afterMs: FAILED_AGAIN_MS } : 'awaitChange';
  }

  private follow(key: string, discovered: DiscoveredResource): void {
    const { verbs: _verbs, ...resource }: DiscoveredResource = discovered;
    const stop = new AbortController();
    const informer = this.context.informers.informer(resource, { ownershipOnly: true, until: stop.signal });
    this.followed.set(key, { resource, informer, stop });
    const { handler } = this;
    const onKind = DEFINING.has(qualified(resource)) ? () => this.refresh() : () => undefined;
    informer.addHandler({
      onAdd: (object, isInInitialList) => {
        handler.onChange(resource, object);
        if (!isInInitialList) onKind();
      },
      onUpdate: (_older, object) => {
        handler.onChange(resource, object);
        onKind();
      },
      onDelete: object => {
        handler.onGone(object);
        onKind();
      },
    });
  }

  private leave(key: string, { informer, stop }: Followed): void {
    this.followed.delete(key);
    stop.abort();
    for (const object of informer.lister.list()) this.handler.onGone(object);
  }
}

function isCollected(resource: DiscoveredResource): boolean {
  return VERBS.every(verb => resource.verbs.includes(verb)) && !IGNORED.has(qualified(resource));
}

function qualified({ group, resource }: Resource<AnyObject>): string {
  return group === '' ? resource : `${resource}.${group}`;
}

function keyOf(group: string, kind: string): string {
  return `${group}/${kind}`;
}
