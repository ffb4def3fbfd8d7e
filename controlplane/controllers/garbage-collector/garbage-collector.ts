/**
 * Deletes what its owners left behind, over every kind that discovery lists.
 *
 * - An owner counts as absent only when the API server itself says so; the graph alone never condemns anything.
 * - Background: dependents follow their owner. Foreground: the owner waits for dependents that block it. Orphan: dependents are let go first.
 * - Every write is bound to the version of the object that it was decided of: what changed meanwhile is looked at again.
 * - Nothing is judged before every kind has been listed, but for kinds that cannot be.
 */
import type { OwnerReference } from '../../../proto/api/meta-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import type { AnyObject, Resource } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { splitApiVersion } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { CollectedKinds } from './collected-kinds.ts';
import { deletionOf, finalizersAfter, OwnerGraph, ownersOf, type GraphNode } from './owner-graph.ts';
import { OwnerLookup } from './owner-lookup.ts';
import { planDependent, type OwnerFate } from './plan.ts';

const ORPHANED_AT_ONCE = 16;

export class GarbageCollector implements Controller, Reconciler {
  readonly name = 'generic-garbage-collector';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly graph = new OwnerGraph();
  private readonly kinds: CollectedKinds;
  private readonly lookup: OwnerLookup;
  /** Objects with an owner of a kind that nobody knows: kept, and judged again when kinds come or go. */
  private readonly puzzling = new Set<string>();

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.kinds = new CollectedKinds(context, {
      onChange: (resource, object) => this.onChange(resource, object),
      onGone: object => this.onGone(object),
      onKinds: () => this.judgePuzzling(),
    });
    this.lookup = new OwnerLookup(context.client);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { context, queue, name, kinds } = this;
    await Promise.all([
      kinds.run(signal),
      runQueue({ name, context, queue, reconciler: this, informers: [kinds], workers: 8 }, signal),
    ]);
  }

  /** Keys are uids. */
  async reconcile(uid: string, signal: AbortSignal): Promise<ReconcileResult> {
    const node = this.graph.get(uid);
    if (node === undefined) return 'awaitChange';
    const deletion = deletionOf(node);
    try {
      if (deletion === 'orphan') await this.orphan(node, uid, signal);
      else if (deletion === 'foreground') await this.finishForeground(node, uid, signal);
      else if (deletion === 'none' && ownersOf(node).length > 0) await this.judge(node, uid, signal);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return 'awaitChange';
  }

  private onChange(resource: Resource<AnyObject>, { metadata }: AnyObject): void {
    const node: GraphNode = { resource, metadata };
    const { uid = '' } = metadata;
    const older = this.graph.put(node);
    const deletion = deletionOf(node);
    if (deletion === 'foreground' || deletion === 'orphan') {
      this.queue.add(uid);
      const began = older === undefined || deletionOf(older) !== deletion;
      if (began && deletion === 'foreground') this.wakeDependents(uid);
    } else if (deletion === 'none' && ownersOf(node).some(owner => this.fateIn(node, owner) !== 'solid')) {
      this.queue.add(uid);
    }
    // A dependent that stopped blocking may set its old owners free.
    if (older !== undefined) this.wakeWaitingOwners(older);
  }

  private onGone({ metadata: { uid = '' } }: AnyObject): void {
    const node = this.graph.remove(uid);
    this.puzzling.delete(uid);
    if (node === undefined) return;
    this.wakeDependents(uid);
    this.wakeWaitingOwners(node);
  }

  private wakeDependents(uid: string): void {
    for (const { metadata } of this.graph.dependentsOf(uid)) this.queue.add(metadata.uid ?? '');
  }

  private wakeWaitingOwners(dependent: GraphNode): void {
    for (const { uid } of ownersOf(dependent)) {
      const owner = this.graph.get(uid);
      if (owner !== undefined && deletionOf(owner) === 'foreground') this.queue.add(uid);
    }
  }

  private judgePuzzling(): void {
    for (const uid of this.puzzling) this.queue.add(uid);
    this.puzzling.clear();
  }

  /** What the graph knows of an owner; undefined: ask the server. */
  private fateIn(node: GraphNode, owner: OwnerReference): OwnerFate | undefined {
    const found = this.graph.get(owner.uid);
    if (found === undefined || found.metadata.name !== owner.name || found.resource.kind !== owner.kind)
      return undefined;
    if (found.resource.group !== splitApiVersion(owner.apiVersion).group) return undefined;
    // An owner lives in the dependent's namespace or in none.
    const { namespace } = found.metadata;
    if (namespace !== undefined && namespace !== node.metadata.namespace) return undefined;
    return deletionOf(found) === 'foreground' ? 'waiting' : 'solid';
  }

  private async judge(node: GraphNode, uid: string, signal: AbortSignal): Promise<void> {
    const owners: { owner: OwnerReference; fate: OwnerFate }[] = [];
    for (const owner of ownersOf(node)) {
      // Of an owner that cannot be asked for nothing is known: rather keep than destroy.
      const fate = this.fateIn(node, owner) ?? (await this.fateAtServer(node, uid, owner, signal)) ?? 'solid';
      owners.push({ owner, fate });
    }
    const plan = planDependent(owners, {
      hasDependents: this.graph.hasDependents(uid),
      finalizers: node.metadata.finalizers ?? [],
    });
    switch (plan.kind) {
      case 'keep':
        return;
      case 'dropOwners': {
        const ownerReferences = ownersOf(node).filter(owner => !plan.uids.includes(owner.uid));
        return this.patchMetadata(node, { ownerReferences }, signal);
      }
      case 'delete': {
        const preconditions = { uid, resourceVersion: node.metadata.resourceVersion };
        const client = this.context.client.of(node.resource);
        await client.delete(refOf(node), { propagationPolicy: plan.policy, preconditions, signal });
      }
    }
  }

  private async fateAtServer(
    node: GraphNode,
    uid: string,
    owner: OwnerReference,
    signal: AbortSignal,
  ): Promise<OwnerFate | undefined> {
    const resource = this.kinds.find(owner.apiVersion, owner.kind);
    if (resource === undefined) {
      // A kind that has just been made may be known in a moment.
      if (!this.puzzling.has(uid)) this.kinds.refresh();
      this.puzzling.add(uid);
      return undefined;
    }
    if (resource.namespaced && node.metadata.namespace === undefined) {
      this.tellOfNamespace(node, owner);
      return undefined;
    }
    const fate = await this.lookup.fateOf(resource, owner, node.metadata.namespace, signal);
    const elsewhere = this.graph.get(owner.uid)?.metadata.namespace;
    if (fate === 'absent' && elsewhere !== undefined && elsewhere !== node.metadata.namespace)
      this.tellOfNamespace(node, owner);
    return fate;
  }

  private tellOfNamespace(node: GraphNode, { apiVersion, kind, name, uid }: OwnerReference): void {
    const { namespace = '' } = node.metadata;
    const reference = `[${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}]`;
    const text = `ownerRef ${reference} does not exist in namespace ${JSON.stringify(namespace)}`;
    this.context.events.event(subjectOf(node.resource, node), 'Warning', 'OwnerRefInvalidNamespace', text);
  }

  private async finishForeground(node: GraphNode, uid: string, signal: AbortSignal): Promise<void> {
    if (!this.graph.isBlocked(uid)) return this.finish(node, 'foreground', signal);
    // In a circle of owners everyone would wait for ever: none waits for this one any more.
    if (!this.graph.waitsForItself(uid)) return;
    const ownerReferences = ownersOf(node).map(owner => ({ ...owner, blockOwnerDeletion: false }));
    await this.patchMetadata(node, { ownerReferences }, signal);
  }

  private async orphan(node: GraphNode, uid: string, signal: AbortSignal): Promise<void> {
    const dependents = [...this.graph.dependentsOf(uid)];
    const failures: unknown[] = [];
    for (let at = 0; at < dependents.length; at += ORPHANED_AT_ONCE) {
      const letGo = dependents.slice(at, at + ORPHANED_AT_ONCE).map(async dependent => {
        const ownerReferences = ownersOf(dependent).filter(owner => owner.uid !== uid);
        await this.patchMetadata(dependent, { ownerReferences }, signal).catch((error: unknown) => {
          if (!isNotFound(error)) failures.push(error);
        });
      });
      await Promise.all(letGo);
      signal.throwIfAborted();
    }
    if (failures.length > 0) throw failures[0];
    await this.finish(node, 'orphan', signal);
  }

  private finish(node: GraphNode, deletion: 'foreground' | 'orphan', signal: AbortSignal): Promise<void> {
    return this.patchMetadata(node, { finalizers: finalizersAfter(node, deletion) }, signal);
  }

  private async patchMetadata(node: GraphNode, change: object, signal: AbortSignal): Promise<void> {
    const { uid, resourceVersion } = node.metadata;
    const patch = { metadata: { uid, resourceVersion, ...change } };
    await this.context.client.of(node.resource).patch(refOf(node), patch, { type: 'merge', signal });
  }
}

function refOf({ metadata: { namespace, name = '' } }: GraphNode): { namespace: string | undefined; name: string } {
  return { namespace, name };
}
