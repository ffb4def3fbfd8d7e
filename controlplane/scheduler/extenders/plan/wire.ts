/**
 * What the scheduler and its extenders say to each other, as JSON. Source: `k8s.io/kube-scheduler/extender/v1`, 1.36.
 *
 * Upstream's reader takes names of fields in any case, so extenders write them as they like; what is sent has upstream's case.
 */
import { isJsonObject } from '../../../../machinery/meta/json-value.ts';
import type { Node, Pod } from '../../../../proto/api/core-v1.ts';

/** Pods that would go from one node; each has its UID. */
export interface VictimsOnWire {
  readonly pods: readonly Pod[];
  readonly violations: number;
}

/** Scores of extenders go from 0 to this. */
export const MAX_EXTENDER_PRIORITY = 10;

/** The answer is none of its kind. */
export class WireError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WireError';
  }
}

/** @param onlyNames the extender knows nodes itself */
export function extenderArgs(pod: Pod, nodes: readonly Node[], onlyNames: boolean): object {
  if (onlyNames) return { Pod: pod, Nodes: null, NodeNames: nodes.map(nameOf) };
  return { Pod: pod, Nodes: { kind: 'NodeList', apiVersion: 'v1', metadata: {}, items: nodes }, NodeNames: null };
}

export interface FilterAnswer {
  readonly nodeNames: readonly string[];
  readonly failed: ReadonlyMap<string, string>;
  readonly unresolvable: ReadonlyMap<string, string>;
}

/** @throws WireError also when the extender tells an error of its own */
export function parseFilterResult(body: unknown, onlyNames: boolean): FilterAnswer {
  const result = fieldsOf(body, 'ExtenderFilterResult');
  refuseError(result);
  const names = result.get('nodenames');
  const list = fieldsOf(result.get('nodes') ?? {}, 'Nodes');
  const items = list.get('items') ?? [];
  if (!Array.isArray(items)) throw new WireError('Nodes.items is no list');
  const nodeNames =
    onlyNames && names !== undefined && names !== null
      ? textsOf(names, 'NodeNames')
      : items.map(item => nameOf(item as Node | null));
  return {
    nodeNames,
    failed: messagesOf(result.get('failednodes'), 'FailedNodes'),
    unresolvable: messagesOf(result.get('failedandunresolvablenodes'), 'FailedAndUnresolvableNodes'),
  };
}

/** Scores by node, from 0 to 10. @throws WireError */
export function parseHostPriorities(body: unknown): Map<string, number> {
  if (!Array.isArray(body)) throw new WireError('a HostPriorityList must be a list');
  const scores = new Map<string, number>();
  for (const item of body) {
    const entry = fieldsOf(item, 'HostPriority');
    const [host, score = 0] = [entry.get('host'), entry.get('score')];
    if (typeof host !== 'string' || typeof score !== 'number') throw new WireError('a HostPriority has Host and Score');
    scores.set(host, Math.min(MAX_EXTENDER_PRIORITY, Math.max(0, score)));
  }
  return scores;
}

export function bindingArgs({ metadata }: Pod, nodeName: string): object {
  return { PodName: metadata.name, PodNamespace: metadata.namespace, PodUID: metadata.uid, Node: nodeName };
}

/** @throws WireError when the extender could not bind */
export function parseBindingResult(body: unknown): void {
  refuseError(fieldsOf(body, 'ExtenderBindingResult'));
}

/** @param onlyIds the extender knows pods itself */
export function preemptionArgs(pod: Pod, candidates: ReadonlyMap<string, VictimsOnWire>, onlyIds: boolean): object {
  const victims = [...candidates].map(([nodeName, { pods, violations }]) => {
    const told = onlyIds ? pods.map(({ metadata }) => ({ UID: metadata.uid })) : pods;
    return [nodeName, { Pods: told, NumPDBViolations: violations }];
  });
  const byNode: unknown = Object.fromEntries(victims);
  return {
    Pod: pod,
    NodeNameToVictims: onlyIds ? null : byNode,
    NodeNameToMetaVictims: onlyIds ? byNode : null,
  };
}

export interface PreemptionAnswer {
  readonly uids: readonly string[];
  readonly violations: number;
}

/** Victims by node. @throws WireError */
export function parsePreemptionResult(body: unknown): Map<string, PreemptionAnswer> {
  const byNode = fieldsOf(body, 'ExtenderPreemptionResult').get('nodenametometavictims') ?? {};
  if (!isJsonObject(byNode)) throw new WireError('NodeNameToMetaVictims is no map');
  const answers = new Map<string, PreemptionAnswer>();
  for (const [nodeName, value] of Object.entries(byNode)) {
    const victims = fieldsOf(value ?? {}, 'MetaVictims');
    const pods = victims.get('pods') ?? [];
    if (!Array.isArray(pods)) throw new WireError(`the victims on ${nodeName} are no list`);
    const violations = victims.get('numpdbviolations');
    answers.set(nodeName, {
      uids: pods.map(pod => String(fieldsOf(pod, 'MetaPod').get('uid') ?? '')),
      violations: typeof violations === 'number' ? Math.max(0, violations) : 0,
    });
  }
  return answers;
}

/** By name in lower case. */
function fieldsOf(body: unknown, what: string): Map<string, unknown> {
  if (!isJsonObject(body)) throw new WireError(`${what} must be an object`);
  return new Map(Object.entries(body).map(([name, value]) => [name.toLowerCase(), value]));
}

function refuseError(result: ReadonlyMap<string, unknown>): void {
  const error = result.get('error');
  if (typeof error === 'string' && error !== '') throw new WireError(error);
}

function textsOf(value: unknown, what: string): string[] {
  if (!Array.isArray(value) || value.some(item => typeof item !== 'string'))
    throw new WireError(`${what} is no list of names`);
  return value as string[];
}

function messagesOf(value: unknown, what: string): Map<string, string> {
  if (value === undefined || value === null) return new Map();
  if (!isJsonObject(value)) throw new WireError(`${what} is no map`);
  return new Map(Object.entries(value).map(([node, message]) => [node, String(message)]));
}

function nameOf(node: Node | null): string {
  return (node as { metadata?: { name?: unknown } } | null)?.metadata?.name as string;
}
