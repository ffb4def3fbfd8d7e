/**
 * What a DaemonSet needs: nodes to make pods on, pods to delete, and its status. Pure.
 * Source: upstream `pkg/controller/daemon` (manage, rollingUpdate, updateDaemonSetStatus).
 */
import type { DaemonSet, DaemonSetStatus } from '../../../../proto/api/apps-v1.ts';
import type { Node, Pod } from '../../../../proto/api/core-v1.ts';
import { scaledValue } from '../../../../machinery/meta/int-or-string.ts';
import { isDeleting } from '../../../../machinery/meta/object.ts';
import { availableAtMs, isPodReady, isPodTerminal } from '../../runtime/plan/pod-state.ts';
import { REVISION_LABEL } from '../../runtime/plan/revisions.ts';
import { fitOf, podTemplateOf, targetNode, type NodeFit } from './nodes.ts';

export interface DaemonPlan {
  /** Names of nodes. */
  create: string[];
  delete: Pod[];
  /** Those of `delete` that ended by themselves: they are told of, and made again after a while. */
  ended: Pod[];
}

interface NodeState extends NodeFit {
  name: string;
  pods: Pod[];
}

/** What the plans below look at. */
export interface DaemonView {
  set: DaemonSet;
  nodes: readonly NodeState[];
  /** Pods of nodes that do not exist (any more). */
  stray: readonly Pod[];
  /** The hash of today's template. */
  hash: string;
  nowMs: number;
}

export function daemonView(
  set: DaemonSet,
  nodes: readonly Node[],
  pods: readonly Pod[],
  hash: string,
  nowMs: number,
): DaemonView {
  const byNode = new Map<string, Pod[]>();
  for (const pod of pods) {
    // What has ended and is to go may be kept by somebody for long; nothing of it runs.
    if (isDeleting(pod) && isPodTerminal(pod)) continue;
    const name = targetNode(pod);
    const there = byNode.get(name);
    if (there === undefined) byNode.set(name, [pod]);
    else there.push(pod);
  }
  const template = podTemplateOf(set);
  const states = nodes.map(node => {
    const name = node.metadata.name ?? '';
    return { name, pods: byNode.get(name) ?? [], ...fitOf(template, node) };
  });
  const known = new Set(states.map(state => state.name));
  const stray = pods.filter(pod => !known.has(targetNode(pod)));
  return { set, nodes: states, stray, hash, nowMs };
}

export function planDaemons(view: DaemonView): DaemonPlan {
  const plan: DaemonPlan = { create: [], delete: [], ended: [] };
  // The pod collector takes what a node that went has left; what has no node yet would wait for ever.
  for (const pod of view.stray) if ((pod.spec.nodeName ?? '') === '' && !isDeleting(pod)) plan.delete.push(pod);
  const { surge, unavailable } = allowances(view);
  for (const node of view.nodes) manageNode(view, node, surge, plan);
  if (view.set.spec.updateStrategy?.type !== 'OnDelete') {
    if (surge > 0) rollWithSurge(view, surge, plan);
    else rollInPlace(view, unavailable, plan);
  }
  plan.create = [...new Set(plan.create)];
  plan.delete = [...new Set(plan.delete)];
  return plan;
}

function manageNode(view: DaemonView, node: NodeState, surge: number, plan: DaemonPlan): void {
  const living = node.pods.filter(pod => !isDeleting(pod));
  if (!node.shouldContinue) {
    plan.delete.push(...living);
    return;
  }
  if (node.pods.length === 0) {
    if (node.shouldRun) plan.create.push(node.name);
    return;
  }
  const ended = living.filter(isPodTerminal);
  plan.ended.push(...ended);
  plan.delete.push(...ended);
  const running = living.filter(pod => !isPodTerminal(pod));
  if (running.length <= 1) return;
  if (surge === 0) {
    plan.delete.push(...oldestFirst(running).slice(1));
    return;
  }
  // While a node is updated an old and a new pod stand side by side, as long as the old one serves and the new one does not yet.
  const [fresh, ...moreFresh] = oldestFirst(running.filter(pod => isNew(view, pod)));
  const [old, ...moreOld] = oldestFirst(running.filter(pod => !isNew(view, pod)));
  plan.delete.push(...moreFresh, ...moreOld);
  if (fresh !== undefined && old !== undefined && (!isPodReady(old) || isAvailable(view, fresh))) plan.delete.push(old);
}

/** Those that have a node come first. */
function oldestFirst(pods: readonly Pod[]): Pod[] {
  const key = (pod: Pod): string =>
    `${(pod.spec.nodeName ?? '') === '' ? 1 : 0} ${pod.metadata.creationTimestamp ?? ''} ${pod.metadata.name ?? ''}`;
  return [...pods].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

function allowances({ set, nodes }: DaemonView): { surge: number; unavailable: number } {
  const desired = nodes.filter(node => node.shouldRun).length;
  const { maxSurge = 0, maxUnavailable = 1 } = set.spec.updateStrategy?.rollingUpdate ?? {};
  const surge = scaledValue(maxSurge, desired, 'up') ?? 0;
  const unavailable = scaledValue(maxUnavailable, desired, 'up') ?? 0;
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

/** Old pods go, those first that do not serve anyway, as long as few enough are missing. */
function rollInPlace(view: DaemonView, unavailable: number, plan: DaemonPlan): void {
  const gone = new Set(plan.delete);
  let missing = 0;
  const serving: Pod[] = [];
  for (const node of view.nodes) {
    if (!node.shouldRun) continue;
    const living = node.pods.filter(pod => !isDeleting(pod) && !gone.has(pod));
    if (!living.some(pod => isAvailable(view, pod))) missing++;
    for (const pod of living) {
      if (isNew(view, pod)) continue;
      if (isAvailable(view, pod)) serving.push(pod);
      else plan.delete.push(pod);
    }
  }
  plan.delete.push(...serving.slice(0, Math.max(0, unavailable - missing)));
}

/** New pods come beside old ones; `manageNode` lets those go once the new ones serve. */
function rollWithSurge(view: DaemonView, maxSurge: number, plan: DaemonPlan): void {
  const gone = new Set(plan.delete);
  let surging = 0;
  const waiting: string[] = [];
  for (const node of view.nodes) {
    if (!node.shouldRun) continue;
    const living = node.pods.filter(pod => !isDeleting(pod) && !isPodTerminal(pod) && !gone.has(pod));
    const old = living.filter(pod => !isNew(view, pod));
    if (old.length === 0) continue;
    if (old.length < living.length) surging++;
    // What does not serve need not be waited for.
    else if (old.some(pod => isAvailable(view, pod))) waiting.push(node.name);
    else plan.create.push(node.name);
  }
  plan.create.push(...waiting.slice(0, Math.max(0, maxSurge - surging)));
}

function isNew({ hash }: DaemonView, pod: Pod): boolean {
  return pod.metadata.labels?.[REVISION_LABEL] === hash;
}

function isAvailable({ set, nowMs }: DaemonView, pod: Pod): boolean {
  const atMs = isDeleting(pod) ? undefined : availableAtMs(pod, set.spec.minReadySeconds ?? 0);
  return atMs !== undefined && atMs <= nowMs;
}

/** @returns the status, and when a ready pod becomes available, which no event will tell */
export function planDaemonStatus(view: DaemonView): { status: DaemonSetStatus; afterMs: number | undefined } {
  const { set, nodes, nowMs } = view;
  const status = {
    desiredNumberScheduled: 0,
    currentNumberScheduled: 0,
    numberMisscheduled: 0,
    numberReady: 0,
    numberAvailable: 0,
    updatedNumberScheduled: 0,
    numberUnavailable: 0,
    observedGeneration: set.metadata.generation,
    ...(set.status?.collisionCount === undefined ? {} : { collisionCount: set.status.collisionCount }),
  };
  let nextMs = Infinity;
  for (const node of nodes) {
    if (!node.shouldRun) {
      if (node.pods.length > 0) status.numberMisscheduled++;
      continue;
    }
    status.desiredNumberScheduled++;
    // Of several the oldest counts: an update of the node is done when it is gone.
    const [pod] = oldestFirst(node.pods);
    if (pod === undefined) continue;
    status.currentNumberScheduled++;
    if (isNew(view, pod)) status.updatedNumberScheduled++;
    const atMs = availableAtMs(pod, set.spec.minReadySeconds ?? 0);
    if (atMs === undefined) continue;
    status.numberReady++;
    if (atMs <= nowMs) status.numberAvailable++;
    // One that nobody tells of: a new pod that is waited for beside the old one is among them.
    for (const each of node.pods) {
      const readyAtMs = availableAtMs(each, set.spec.minReadySeconds ?? 0) ?? Infinity;
      if (readyAtMs > nowMs) nextMs = Math.min(nextMs, readyAtMs);
    }
  }
  status.numberUnavailable = status.desiredNumberScheduled - status.numberAvailable;
  return { status, afterMs: nextMs === Infinity ? undefined : nextMs - nowMs };
}
