/**
 * Whether a node takes a resize: now, later (`Deferred`) or never (`Infeasible`), and which of several goes first.
 * Source: kubernetes 1.36 `pkg/kubelet/allocation`: order, reasons and texts.
 */
import type { Node, Pod } from '../../../../proto/api/core-v1.ts';
import { priorityOf } from '../../../../machinery/meta/pod-priority.ts';
import {
  addAmounts,
  parseAmounts,
  podRequests,
  qosClassOf,
  type Amounts,
} from '../../../../machinery/meta/pod-resources.ts';
import { Quantity } from '../../../../machinery/meta/quantity.ts';
import type { KubeletConfiguration } from '../../config/plan/kubelet-configuration.ts';
import { isStaticPod } from '../../plan/critical-pod.ts';
import { allContainers } from '../../plan/pod-spec.ts';

export type ResizeDecision =
  | { readonly kind: 'allocate' }
  | { readonly kind: 'pending'; readonly reason: 'Deferred' | 'Infeasible'; readonly message: string };

/** What of the node's settings forbids some resizes. */
export interface ResizeRules {
  /** CPUs are given to guaranteed pods whole. */
  readonly staticCpus: boolean;
  readonly staticMemory: boolean;
  /** Containers may swap. */
  readonly swap: boolean;
}

export function resizeRulesOf(c: KubeletConfiguration): ResizeRules {
  return {
    staticCpus: c.cpuManagerPolicy === 'static',
    staticMemory: c.memoryManagerPolicy === 'Static',
    swap: c.memorySwap.swapBehavior === 'LimitedSwap',
  };
}

export interface ResizeInput {
  /** As its spec asks. */
  readonly desired: Pod;
  readonly allocated: Pod;
  /** Other pods here, as allocated. */
  readonly others: readonly Pod[];
  readonly node: Node | undefined;
  readonly rules: ResizeRules;
}

const RESOURCES = ['cpu', 'memory'] as const;
type Resizable = (typeof RESOURCES)[number];

export function decideResize(input: ResizeInput): ResizeDecision {
  const never = infeasible(input);
  if (never !== undefined) return { kind: 'pending', reason: 'Infeasible', message: never };
  const { desired, others, node } = input;
  if (node === undefined) return { kind: 'allocate' };
  const wanted = podRequests(desired);
  const capacity = parseAmounts(node.status?.allocatable);
  for (const name of ['memory', 'cpu'] as const) {
    const [requested, available] = [units(name, wanted), units(name, capacity)];
    if (!capacity.has(name) || requested <= available) continue;
    const message = `Node didn't have enough capacity: ${name}, requested: ${requested}, capacity: ${available}`;
    return { kind: 'pending', reason: 'Infeasible', message };
  }
  const used = others.reduce<Amounts>((sum, other) => addAmounts(sum, podRequests(other)), new Map());
  const before = podRequests(input.allocated);
  for (const name of RESOURCES) {
    const [requested, inUse, available] = [units(name, wanted), units(name, used), units(name, capacity)];
    // What becomes smaller always fits: a node that is too full already is not helped by keeping it.
    if (!capacity.has(name) || requested <= units(name, before) || requested + inUse <= available) continue;
    const message = `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${inUse}, capacity: ${available}`;
    return { kind: 'pending', reason: 'Deferred', message };
  }
  return { kind: 'allocate' };
}

function infeasible({ desired, allocated, rules }: ResizeInput): string | undefined {
  if (isStaticPod(desired)) return 'In-place resize of static-pods is not supported';
  if (rules.swap && qosClassOf(desired) === 'Burstable' && swapChanges(desired, allocated))
    return 'In-place resize of containers with swap is not supported.';
  if (qosClassOf(desired) !== 'Guaranteed') return undefined;
  const policies: readonly [Resizable, boolean, string][] = [
    ['cpu', rules.staticCpus, 'CPU Manager policy "static"'],
    ['memory', rules.staticMemory, 'Memory Manager policy "Static"'],
  ];
  for (const [name, isStatic, policy] of policies) {
    if (isStatic && requestChanges(desired, allocated, name))
      return `Resize is infeasible for Guaranteed Pods alongside ${policy}`;
  }
  return undefined;
}

function requestChanges(desired: Pod, allocated: Pod, name: Resizable): boolean {
  return changed(desired, allocated, name).length > 0;
}

/** How much a container may swap follows from its memory request: only a new container gets another. */
function swapChanges(desired: Pod, allocated: Pod): boolean {
  return changed(desired, allocated, 'memory').some(
    container =>
      !(container.resizePolicy ?? []).some(
        policy => policy.resourceName === 'memory' && policy.restartPolicy === 'RestartContainer',
      ),
  );
}

function changed(desired: Pod, allocated: Pod, name: Resizable) {
  const before = new Map(allContainers(allocated).map(({ container }) => [container.name, container]));
  return allContainers(desired)
    .map(({ container }) => container)
    .filter(container => {
      const now = parseAmounts(container.resources?.requests).get(name) ?? Quantity.zero;
      const was = parseAmounts(before.get(container.name)?.resources?.requests).get(name) ?? Quantity.zero;
      return !now.equals(was);
    });
}

function units(name: Resizable, amounts: Amounts): number {
  const quantity = amounts.get(name) ?? Quantity.zero;
  return name === 'cpu' ? quantity.milliValue() : quantity.value();
}

/** A resize that waits. */
export interface PendingResize {
  readonly desired: Pod;
  readonly allocated: Pod;
  /** Since when it waits. */
  readonly sinceMs: number;
}

/** Those that ask for nothing more, then by priority, class and age. */
export function byResizeOrder(a: PendingResize, b: PendingResize): number {
  return (
    Number(asksForMore(a)) - Number(asksForMore(b)) ||
    priorityOf(b.desired) - priorityOf(a.desired) ||
    Number(qosClassOf(b.desired) === 'Guaranteed') - Number(qosClassOf(a.desired) === 'Guaranteed') ||
    a.sinceMs - b.sinceMs
  );
}

function asksForMore({ desired, allocated }: PendingResize): boolean {
  const [now, was] = [podRequests(desired), podRequests(allocated)];
  return RESOURCES.some(name => units(name, now) > units(name, was));
}
