/**
 * A node with what runs on it, summed up: the unit that Filter and Score plugins look at.
 *
 * Owned by the SchedulerCache, which changes it only between two scheduling cycles; plugins must not keep it.
 */
import { hostPortsOf, type HostPort } from '../../../machinery/meta/host-ports.ts';
import { claimNamesOf } from '../../../machinery/meta/pod-claims.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { allocatableOf, podRequest, ResourceSum, scoringRequest } from '../plan/resources.ts';

const NO_PODS: ReadonlyMap<string, Pod> = new Map();
const NO_PORTS: readonly HostPort[] = [];
const NO_COUNTS: ReadonlyMap<string, number> = new Map();

let generations = 0;

export class NodeInfo {
  readonly name: string;
  /** Whether the node has any taint or is cordoned: most have none, and need no look at the node itself. */
  isTainted: boolean;
  node: Node;
  allocatable: ResourceSum;
  /** Grows with every change; no two infos ever have the same. */
  generation = ++generations;
  /** Sum over all pods here; its `pods` counts them. */
  readonly requested = new ResourceSum();
  /** As `requested`, but a container that asks for no cpu or memory counts with upstream's assumption: for scoring. */
  readonly requestedForScore = new ResourceSum();
  /** Pods here, by UID. */
  readonly pods = new Map<string, Pod>();
  /** Those with any affinity or anti-affinity to pods, by UID. */
  podsWithAffinity = NO_PODS;
  /** Those with required anti-affinity, by UID. */
  podsWithRequiredAntiAffinity = NO_PODS;
  /** Host ports in use; a port may stand here twice. */
  usedPorts = NO_PORTS;
  /** How many pods here use a claim, by `namespace/name`. */
  claimUsers = NO_COUNTS;
  private sizes: ReadonlyMap<string, number> | undefined;

  /** @param allocatable of that node, if it was read before */
  constructor(node: Node, allocatable = allocatableOf(node)) {
    this.name = node.metadata.name ?? '';
    this.isTainted = isTainted(node);
    this.node = node;
    this.allocatable = allocatable;
  }

  /** Bytes of each image here, by each of its names. */
  get imageSizes(): ReadonlyMap<string, number> {
    this.sizes ??= sizesOf(this.node);
    return this.sizes;
  }

  /** One to try things out on: changes of it leave this one as it is. */
  clone(): NodeInfo {
    const copy = new NodeInfo(this.node, this.allocatable);
    for (const [uid, pod] of this.pods) copy.pods.set(uid, pod);
    copy.requested.add(this.requested);
    copy.requestedForScore.add(this.requestedForScore);
    copy.podsWithAffinity = this.podsWithAffinity;
    copy.podsWithRequiredAntiAffinity = this.podsWithRequiredAntiAffinity;
    copy.usedPorts = this.usedPorts;
    copy.claimUsers = this.claimUsers;
    return copy;
  }

  setNode(node: Node): void {
    this.node = node;
    this.isTainted = isTainted(node);
    this.allocatable = allocatableOf(node);
    this.sizes = undefined;
    this.generation = ++generations;
  }

  addPod(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    this.pods.set(uid, pod);
    this.requested.add(podRequest(pod));
    this.requestedForScore.add(scoringRequest(pod));
    const { affinity } = pod.spec;
    if (affinity?.podAffinity !== undefined || affinity?.podAntiAffinity !== undefined)
      this.podsWithAffinity = new Map(this.podsWithAffinity).set(uid, pod);
    if ((affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).length > 0)
      this.podsWithRequiredAntiAffinity = new Map(this.podsWithRequiredAntiAffinity).set(uid, pod);
    const ports = hostPortsOf(pod);
    if (ports.length > 0) this.usedPorts = [...this.usedPorts, ...ports];
    this.countClaims(pod, 1);
    this.generation = ++generations;
  }

  removePod(uid: string): void {
    const pod = this.pods.get(uid);
    if (pod === undefined) return;
    this.pods.delete(uid);
    this.requested.add(podRequest(pod), -1);
    this.requestedForScore.add(scoringRequest(pod), -1);
    this.podsWithAffinity = without(this.podsWithAffinity, uid);
    this.podsWithRequiredAntiAffinity = without(this.podsWithRequiredAntiAffinity, uid);
    if (hostPortsOf(pod).length > 0) this.usedPorts = [...this.pods.values()].flatMap(hostPortsOf);
    this.countClaims(pod, -1);
    this.generation = ++generations;
  }

  private countClaims(pod: Pod, by: 1 | -1): void {
    const names = claimNamesOf(pod);
    if (names.length === 0) return;
    const counts = new Map(this.claimUsers);
    for (const name of names) {
      const key = `${pod.metadata.namespace}/${name}`;
      const left = (counts.get(key) ?? 0) + by;
      if (left > 0) counts.set(key, left);
      else counts.delete(key);
    }
    this.claimUsers = counts;
  }
}

function isTainted({ spec }: Node): boolean {
  return spec.unschedulable === true || (spec.taints ?? []).length > 0;
}

function without(pods: ReadonlyMap<string, Pod>, uid: string): ReadonlyMap<string, Pod> {
  if (!pods.has(uid)) return pods;
  const left = new Map(pods);
  left.delete(uid);
  return left;
}

function sizesOf({ status }: Node): ReadonlyMap<string, number> {
  if ((status?.images ?? []).length === 0) return NO_COUNTS;
  const sizes = new Map<string, number>();
  for (const image of status?.images ?? []) for (const name of image.names ?? []) sizes.set(name, image.sizeBytes ?? 0);
  return sizes;
}
