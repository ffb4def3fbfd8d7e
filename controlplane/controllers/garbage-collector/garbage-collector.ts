/**
 * Deletes what its owners left behind, over every kind that discovery lists.
 *
 * - An owner counts as absent only when the API server itself says so; the graph alone never condemns anything.
 * - Background: dependents follow their owner. Foreground: the owner waits for dependents that block it. Orphan: dependents are let go first.
 * - Nothing is judged before every kind has been listed.
 */
import type { OwnerReference } from '../../../proto/api/meta-v1.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import type { AnyObject, Resource } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { splitApiVersion } from '../../../machinery/meta/object.ts';
import { isConflict, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { discoverResources } from '../runtime/discover-resources.ts';
import { FOREGROUND, ORPHAN, OwnerGraph, type GraphNode } from './owner-graph.ts';
import { planDependent, type OwnerFate } from './plan.ts';

/** Kinds that nothing owns and that change all the time. */
const IGNORED = new Set(['events', 'events.events.k8s.io']);
const RETRY_MS = 2_000;

export class GarbageCollector implements Controller, Reconciler {
  readonly name = 'generic-garbage-collector';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly graph = new OwnerGraph();
  private readonly resources = new Map<string, Resource<AnyObject>>();

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = await this.watchAll(signal);
    await runQueue({ name, context, queue, reconciler: this, informers, workers: 8 }, signal);
  }

  /** Keys are uids. */
  async reconcile(uid: string, signal: AbortSignal): Promise<ReconcileResult> {
    const node = this.graph.get(uid);
    if (node === undefined) return 'awaitChange';
    try {
      if (node.orphaning) await this.orphan(node, signal);
      else if (node.foreground) await this.finishForeground(node, signal);
      else if (!node.deleting && node.owners.length > 0) await this.judge(node, signal);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return 'awaitChange';
  }

  private async watchAll(signal: AbortSignal): Promise<{ synced(): Promise<void> }[]> {
    const { client, informers, clock, logger } = this.context;
    while (!signal.aborted) {
      try {
        const { resources, failures } = await discoverResources(client, signal);
        for (const { groupVersion, error } of failures)
          logger.warn({ groupVersion, err: error }, 'Group is not collected');
        const watched = resources.filter(
          r => ['list', 'watch', 'delete'].every(verb => r.verbs.includes(verb)) && !IGNORED.has(qualified(r)),
        );
        return watched.map(resource => this.watch(resource, informers.informer(resource, { metadataOnly: true })));
      } catch (error) {
        if (signal.aborted) break;
        logger.debug({ err: error }, 'Discovery failed; trying again');
        await clock.sleep(RETRY_MS, signal).catch(() => undefined);
      }
    }
    return [];
  }

  private watch(
    resource: Resource<AnyObject>,
    informer: ReturnType<ControllerContext['informers']['informer']>,
  ): { synced(): Promise<void> } {
    this.resources.set(`${resource.group}/${resource.kind}`, resource);
    informer.addHandler({
      onAdd: object => this.onChange(resource, object),
      onUpdate: (_older, object) => this.onChange(resource, object),
      onDelete: object => this.onGone(object),
    });
    return informer;
  }

  private onChange(resource: Resource<AnyObject>, object: AnyObject): void {
    const { older, node } = this.graph.put(resource, object);
    if (node.orphaning || node.foreground) {
      this.queue.add(node.uid);
      if (older?.foreground !== node.foreground)
        for (const d of this.graph.dependentsOf(node.uid)) this.queue.add(d.uid);
    } else if (node.owners.length > 0 && (older === undefined || older.owners !== node.owners)) {
      const suspicious = node.owners.some(owner => this.fateIn(node, owner) !== 'solid');
      if (suspicious) this.queue.add(node.uid);
    }
    // A dependent that stopped blocking may set its old owners free.
    for (const owner of older?.owners ?? [])
      if (this.graph.get(owner.uid)?.foreground === true) this.queue.add(owner.uid);
  }

  private onGone(object: AnyObject): void {
    const node = this.graph.remove(object.metadata.uid ?? '');
    if (node === undefined) return;
    for (const dependent of this.graph.dependentsOf(node.uid)) this.queue.add(dependent.uid);
    for (const owner of node.owners) if (this.graph.get(owner.uid)?.foreground === true) this.queue.add(owner.uid);
  }

  /** What the graph knows of an owner; undefined: ask the server. */
  private fateIn(node: GraphNode, owner: OwnerReference): OwnerFate | undefined {
    const found = this.graph.get(owner.uid);
    if (found === undefined || found.name !== owner.name || found.resource.kind !== owner.kind) return undefined;
    // An owner lives in the dependent's namespace or in none.
    if (found.namespace !== '' && found.namespace !== node.namespace) return undefined;
    return found.foreground ? 'waiting' : 'solid';
  }

  private async judge(node: GraphNode, signal: AbortSignal): Promise<void> {
    const live = await this.get(node, signal);
    if (live === undefined || live.metadata.deletionTimestamp !== undefined) return;
    const owners: { owner: OwnerReference; fate: OwnerFate }[] = [];
    for (const owner of live.metadata.ownerReferences ?? []) {
      const fate = this.fateIn(node, owner) ?? (await this.fateAtServer(node, owner, signal));
      // A kind that nobody knows: rather keep than destroy.
      if (fate === undefined) return;
      owners.push({ owner, fate });
    }
    const hasDependents = this.graph.dependentsOf(node.uid).length > 0;
    const plan = planDependent(owners, { hasDependents, finalizers: live.metadata.finalizers ?? [] });
    const client = this.context.client.of(node.resource);
    switch (plan.kind) {
      case 'keep':
        return;
      case 'dropOwners':
        return this.patchMetadata(
          live,
          node,
          { ownerReferences: (live.metadata.ownerReferences ?? []).filter(o => !plan.uids.includes(o.uid)) },
          signal,
        );
      case 'delete': {
        const preconditions = { uid: node.uid, resourceVersion: live.metadata.resourceVersion };
        await client.delete(refOf(node), { propagationPolicy: plan.policy, preconditions, signal });
      }
    }
  }

  private async fateAtServer(
    node: GraphNode,
    owner: OwnerReference,
    signal: AbortSignal,
  ): Promise<OwnerFate | undefined> {
    const resource = this.resources.get(`${splitApiVersion(owner.apiVersion).group}/${owner.kind}`);
    if (resource === undefined) {
      this.context.logger.debug({ owner: owner.kind, object: node.name }, 'Owner of unknown kind; object is kept');
      return undefined;
    }
    if (resource.namespaced && node.namespace === '') return undefined;
    try {
      const ref = { namespace: resource.namespaced ? node.namespace : undefined, name: owner.name };
      const found = await this.context.client.of(resource).get(ref, signal);
      if (found.metadata.uid !== owner.uid) return 'absent';
      const waits =
        found.metadata.deletionTimestamp !== undefined && found.metadata.finalizers?.includes(FOREGROUND) === true;
      return waits ? 'waiting' : 'solid';
    } catch (error) {
      if (isNotFound(error)) return 'absent';
      throw error;
    }
  }

  private async finishForeground(node: GraphNode, signal: AbortSignal): Promise<void> {
    const dependents = this.graph.dependentsOf(node.uid);
    const blocks = (d: GraphNode): boolean => d.owners.some(o => o.uid === node.uid && o.blockOwnerDeletion === true);
    if (dependents.some(blocks)) {
      for (const dependent of dependents) if (!dependent.deleting) this.queue.add(dependent.uid);
      if (this.graph.waitsForItself(node.uid)) await this.unblock(node, signal);
      return;
    }
    await this.dropFinalizer(node, FOREGROUND, signal);
  }

  /** In a circle of owners everyone would wait for ever: none waits for this one any more. */
  private async unblock(node: GraphNode, signal: AbortSignal): Promise<void> {
    const live = await this.get(node, signal);
    const owners = live?.metadata.ownerReferences ?? [];
    if (live === undefined || !owners.some(owner => owner.blockOwnerDeletion === true)) return;
    const ownerReferences = owners.map(owner => ({ ...owner, blockOwnerDeletion: false }));
    await this.patchMetadata(live, node, { ownerReferences }, signal);
  }

  private async orphan(node: GraphNode, signal: AbortSignal): Promise<void> {
    for (const dependent of this.graph.dependentsOf(node.uid)) {
      const live = await this.get(dependent, signal);
      if (live === undefined) continue;
      const kept = (live.metadata.ownerReferences ?? []).filter(owner => owner.uid !== node.uid);
      if (kept.length !== live.metadata.ownerReferences?.length)
        await this.patchMetadata(live, dependent, { ownerReferences: kept }, signal);
    }
    await this.dropFinalizer(node, ORPHAN, signal);
  }

  private async dropFinalizer(node: GraphNode, finalizer: string, signal: AbortSignal): Promise<void> {
    const live = await this.get(node, signal);
    if (live?.metadata.finalizers?.includes(finalizer) !== true) return;
    await this.patchMetadata(live, node, { finalizers: live.metadata.finalizers.filter(f => f !== finalizer) }, signal);
  }

  /** The resourceVersion guards against a list that changed meanwhile: the write is then decided anew. */
  private async patchMetadata(live: AnyObject, node: GraphNode, change: object, signal: AbortSignal): Promise<void> {
    const metadata = { uid: node.uid, resourceVersion: live.metadata.resourceVersion, ...change };
    await this.context.client.of(node.resource).patch(refOf(node), { metadata }, { type: 'merge', signal });
  }

  /** The object as it is now, if it is still the same one. */
  private async get(node: GraphNode, signal: AbortSignal): Promise<AnyObject | undefined> {
    try {
      const live = await this.context.client.of(node.resource).get(refOf(node), signal);
      return live.metadata.uid === node.uid ? live : undefined;
    } catch (error) {
      if (isNotFound(error) || isConflict(error)) return undefined;
      throw error;
    }
  }
}

function refOf(node: GraphNode): { namespace: string | undefined; name: string } {
  return { namespace: node.namespace === '' ? undefined : node.namespace, name: node.name };
}

function qualified(resource: Resource<AnyObject>): string {
  return resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`;
}
