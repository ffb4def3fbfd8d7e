/**
 * What the scheduler keeps of nodes, pods and what selects pods: it holds all of the cluster's, and reads little of each. Whoever needs another
 * field adds it here.
 *
 * - Of a pod without a node all but managed fields: plugins of users and extenders are shown it.
 * - Of a pod with a node what others are decided by: labels, owners, priority, requests, ports, affinity, spread, claims and when it began.
 * - Of a finished pod that it is.
 * - Of a node no managed fields and no times of heartbeats, so that a heartbeat changes nothing.
 * - Of controllers that own pods no template and no status: only what they select is asked for.
 * - Texts and parts that are equal for most, such as names of images, are one and the same.
 */
import {
  nodes,
  pods,
  replicaSets,
  replicationControllers,
  services,
  statefulSets,
  type AnyObject,
  type Resource,
} from '../../machinery/client/resource.ts';
import { withoutManagedFields } from '../../machinery/meta/object.ts';
import type { Container, Node, Pod, PodSpec, PodStatus, Volume } from '../../proto/api/core-v1.ts';

type Keep = (object: AnyObject) => AnyObject;
/** A controller of pods. */
type Owner = AnyObject & { readonly spec?: { readonly template?: unknown } | undefined };

/** For SharedInformerFactory: how objects of a resource are cut; undefined for those that are kept whole. */
export function keptBySchedulers(resource: Resource<AnyObject>): Keep | undefined {
  if (isOf(resource, pods)) return object => keptPod(object as Pod);
  if (isOf(resource, nodes)) {
    const images = new Shared();
    return object => keptNode(object as Node, images);
  }
  if (isOf(resource, services)) return withoutManagedFields;
  return OWNERS.some(each => isOf(resource, each)) ? object => keptOwner(object as Owner) : undefined;
}

const OWNERS = [replicationControllers, replicaSets, statefulSets];

function keptOwner(owner: Owner): Owner {
  const { metadata, spec } = withoutManagedFields(owner);
  const { template: _template, ...kept } = spec ?? {};
  return { metadata, spec: kept };
}

export function keptPod(pod: Pod): Pod {
  const { metadata, spec, status } = pod;
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') {
    const { name, namespace, uid, resourceVersion } = metadata;
    return {
      metadata: { name, namespace, uid, resourceVersion },
      spec: { containers: [] },
      status: { phase: status.phase },
    };
  }
  if ((spec.nodeName ?? '') === '') return withoutManagedFields(pod);
  const { name, namespace, uid, resourceVersion, generation, creationTimestamp, deletionTimestamp } = metadata;
  const { labels, annotations, ownerReferences } = metadata;
  return {
    metadata: {
      name,
      namespace,
      uid,
      resourceVersion,
      generation,
      creationTimestamp,
      deletionTimestamp,
      labels,
      annotations,
      ownerReferences,
    },
    spec: keptSpec(spec),
    status: keptStatus(status),
  };
}

// Fields stand in literals, also where most have nothing there: an object of a known shape is made at once and takes the least.

function keptSpec(spec: PodSpec): PodSpec {
  return {
    nodeName: spec.nodeName,
    schedulerName: spec.schedulerName,
    priority: spec.priority,
    preemptionPolicy: spec.preemptionPolicy,
    affinity: spec.affinity,
    nodeSelector: spec.nodeSelector,
    tolerations: spec.tolerations,
    overhead: spec.overhead,
    topologySpreadConstraints: spec.topologySpreadConstraints,
    resources: spec.resources,
    hostNetwork: spec.hostNetwork,
    resourceClaims: spec.resourceClaims,
    containers: spec.containers.map(keptContainer),
    initContainers: spec.initContainers?.map(keptContainer),
    volumes: keptVolumes(spec.volumes),
  };
}

function keptContainer({ name, image, resources, ports, restartPolicy }: Container): Container {
  return { name, image, resources, ports, restartPolicy };
}

/** Those that say nothing about where the pod may run hold nothing of what they say. */
function keptVolumes(volumes: readonly Volume[] | undefined): Volume[] | undefined {
  const kept = volumes?.filter(
    ({ configMap, secret, emptyDir, projected, downwardAPI, hostPath }) =>
      (configMap ?? secret ?? emptyDir ?? projected ?? downwardAPI ?? hostPath) === undefined,
  );
  return kept === undefined || kept.length === 0 ? undefined : kept;
}

/** Requests in use come from here while a pod is being resized. */
function keptStatus(status: PodStatus | undefined): PodStatus {
  const { phase, startTime, nominatedNodeName, conditions, resources, allocatedResources } = status ?? {};
  const resizes = conditions?.filter(({ type }) => type.startsWith('PodResize') || type === 'DisruptionTarget');
  return {
    phase,
    startTime,
    nominatedNodeName,
    resources,
    allocatedResources,
    conditions: resizes?.length === 0 ? undefined : resizes,
    containerStatuses: keptContainerStatuses(status?.containerStatuses),
    initContainerStatuses: keptContainerStatuses(status?.initContainerStatuses),
  };
}

type ContainerStatuses = PodStatus['containerStatuses'];

function keptContainerStatuses(statuses: ContainerStatuses): ContainerStatuses {
  const kept = statuses?.filter(({ resources, allocatedResources }) => (resources ?? allocatedResources) !== undefined);
  if (kept === undefined || kept.length === 0) return undefined;
  return kept.map(({ name, resources, allocatedResources, ready, restartCount, image, imageID }) => ({
    ...{ name, resources, allocatedResources, ready, restartCount, image, imageID },
  }));
}

function keptNode(node: Node, images: Shared): Node {
  const { spec, status } = node;
  const { allocatable, capacity, conditions, nodeInfo, addresses, declaredFeatures } = status ?? {};
  return {
    metadata: withoutManagedFields(node).metadata,
    spec,
    status: {
      ...{ allocatable, capacity, nodeInfo, addresses, declaredFeatures },
      conditions: conditions?.map(condition => images.condition(condition.type, condition.status)),
      images: status?.images?.map(({ names, sizeBytes }) => ({
        names: names?.map(name => images.text(name)),
        sizeBytes,
      })),
    },
  };
}

/** Texts and conditions that are the same on most nodes. */
class Shared {
  private readonly texts = new Map<string, string>();
  private readonly conditions = new Map<string, { type: string; status: string }>();

  text(value: string): string {
    const known = this.texts.get(value);
    if (known !== undefined) return known;
    // Images come and go: what is common is soon there again.
    if (this.texts.size > 10_000) this.texts.clear();
    this.texts.set(value, value);
    return value;
  }

  condition(type: string, status: string): { type: string; status: string } {
    const key = `${type}=${status}`;
    const known = this.conditions.get(key) ?? { type, status };
    this.conditions.set(key, known);
    return known;
  }
}

function isOf(resource: Resource<AnyObject>, other: { group: string; resource: string }): boolean {
  return resource.group === other.group && resource.resource === other.resource;
}
