/**
 * A pod fits where its requests do, and is most welcome by the rule of `scoringStrategy`. Source: upstream plugin NodeResourcesFit.
 * Requests of resources that an extender looks after are left out by `ignoredResources` and `ignoredResourceGroups`.
 */
import { isExtendedResource } from '../../../machinery/validation/resource-list.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import type { ScoringStrategy } from '../../../proto/api/kube-scheduler-config-v1.ts';
import type { Plugin, Rejection } from '../framework/framework.ts';
import {
  leastAllocated,
  mostAllocated,
  NodeResourceScorer,
  requestedToCapacityRatio,
  type ResourceRule,
} from '../plan/resource-scores.ts';
import { allocatableOf, podRequest, ResourceSum, scoringRequest } from '../plan/resources.ts';
import { pluginArgs } from './plugin-args.ts';

const NAME = 'NodeResourcesFit';
const SCORED = 'NodeResourcesFit/scored';
const NOTHING = new ResourceSum();

/** What a pod asks for of devices and huge pages, without what is ignored; empty for most. */
type Scalars = readonly (readonly [name: string, amount: number])[];

interface Asked {
  readonly request: ResourceSum;
  readonly scalars: Scalars;
}

/** A node's room, or an empty one's. */
interface Room {
  readonly allocatable: ResourceSum;
  readonly requested: ResourceSum;
}

export function nodeResourcesFit(args: unknown): Plugin {
  const { ignoredResources = [], ignoredResourceGroups = [], scoringStrategy } = pluginArgs(NAME, args);
  const [resources, groups] = [new Set(ignoredResources), new Set(ignoredResourceGroups)];
  const isIgnored = (name: string): boolean =>
    isExtendedResource(name) && (resources.has(name) || groups.has(name.slice(0, name.indexOf('/'))));
  const askedBy = (pod: Pod): Asked => {
    const request = podRequest(pod);
    return { request, scalars: [...request.scalars].filter(([name, amount]) => amount > 0 && !isIgnored(name)) };
  };
  const weighted = (scoringStrategy?.resources ?? []).map(({ name, weight = 1 }) => ({ name, weight }));
  const shared: SharedRejections = new Map();
  const scorer = new NodeResourceScorer(weighted, ruleOf(scoringStrategy ?? {}, weighted), 'requestedForScore');
  return {
    name: NAME,
    preFilter(state, pod) {
      state.write(NAME, askedBy(pod));
      return undefined;
    },
    filter(state, _pod, info) {
      const asked = state.read<Asked>(NAME);
      return fits(asked, info) ? undefined : rejections(asked, info, shared);
    },
    preScore(state, pod) {
      state.write(SCORED, scoringRequest(pod));
      return undefined;
    },
    score: (state, pod, info) => scorer.score(state.find<ResourceSum>(SCORED) ?? scoringRequest(pod), info),
    eventsToRegister: () => [
      { resource: 'Pod', actions: ['AssignedPodDelete'] },
      {
        resource: 'Pod',
        actions: ['UpdatePodScaleDown'],
        hint: (pod, older, newer) => (givesWhatIsAsked(pod, older as Pod, newer as Pod) ? 'queue' : 'skip'),
      },
      {
        resource: 'Node',
        actions: ['Add', 'UpdateNodeAllocatable'],
        hint: (pod, older, newer) =>
          hasGrownToFit(askedBy(pod), older as Node | undefined, newer as Node) ? 'queue' : 'skip',
      },
    ],
  };
}

function ruleOf(strategy: ScoringStrategy, weighted: Parameters<typeof leastAllocated>[0]): ResourceRule {
  switch (strategy.type) {
    case 'MostAllocated':
      return mostAllocated(weighted);
    case 'RequestedToCapacityRatio':
      return requestedToCapacityRatio(weighted, strategy.requestedToCapacityRatio?.shape ?? []);
    default:
      return leastAllocated(weighted);
  }
}

function fits({ request, scalars }: Asked, { allocatable, requested }: Room): boolean {
  const { cpuMillis, memoryBytes, ephemeralStorageBytes } = request;
  if (requested.pods + 1 > allocatable.pods) return false;
  if (cpuMillis > 0 && cpuMillis > allocatable.cpuMillis - requested.cpuMillis) return false;
  if (memoryBytes > 0 && memoryBytes > allocatable.memoryBytes - requested.memoryBytes) return false;
  const ephemeralLeft = allocatable.ephemeralStorageBytes - requested.ephemeralStorageBytes;
  if (ephemeralStorageBytes > 0 && ephemeralStorageBytes > ephemeralLeft) return false;
  for (const [name, amount] of scalars) if (amount > allocatable.get(name) - requested.get(name)) return false;
  return true;
}

/** Lists of rejections by what they say: thousands of nodes lack the same, and one list stands for all of them. */
type SharedRejections = Map<number, readonly Rejection[]>;

const NAMED = ['cpu', 'memory', 'ephemeral-storage'] as const;
const PODS_BIT = 1 << NAMED.length;
const UNRESOLVABLE_BIT = PODS_BIT << 1;

/** What does not fit, resource by resource; when one never could, the node is out of the question. */
function rejections(
  { request, scalars }: Asked,
  { allocatable, requested }: Room,
  shared: SharedRejections,
): readonly Rejection[] {
  let bits = requested.pods + 1 > allocatable.pods ? PODS_BIT : 0;
  const lacks = (name: string, amount: number, bit: number): boolean => {
    if (amount <= 0 || amount <= allocatable.get(name) - requested.get(name)) return false;
    bits |= amount > allocatable.get(name) ? bit | UNRESOLVABLE_BIT : bit;
    return true;
  };
  for (let i = 0; i < NAMED.length; i++) lacks(NAMED[i] as string, request.get(NAMED[i] as string), 1 << i);
  const devices = scalars.filter(([name, amount]) => lacks(name, amount, 0)).map(([name]) => name);
  const known = devices.length > 0 ? undefined : shared.get(bits);
  if (known !== undefined) return known;
  const reasons = [...NAMED.filter((_, i) => (bits & (1 << i)) !== 0), ...devices].map(name => `Insufficient ${name}`);
  if ((bits & PODS_BIT) !== 0) reasons.unshift('Too many pods');
  const list = reasons.map(reason => ({ reason, unresolvable: (bits & UNRESOLVABLE_BIT) !== 0 }));
  if (devices.length === 0) shared.set(bits, list);
  return list;
}

/** A pod that shrank helps if it is the waiting one itself, or gave its node something that the waiting one asks for. */
function givesWhatIsAsked(pod: Pod, older: Pod, newer: Pod): boolean {
  if (newer.metadata.uid === pod.metadata.uid) return true;
  if ((newer.spec.nodeName ?? '') === '') return false;
  const [before, now] = [podRequest(older), podRequest(newer)];
  return [...podRequest(pod)].some(([name]) => before.get(name) > now.get(name));
}

function hasGrownToFit(asked: Asked, older: Node | undefined, newer: Node): boolean {
  const now = allocatableOf(newer);
  if (!fits(asked, { allocatable: now, requested: NOTHING })) return false;
  if (older === undefined) return true;
  const before = allocatableOf(older);
  return ['pods', ...[...asked.request].map(([name]) => name)].some(name => now.get(name) > before.get(name));
}
