/** A cluster for plugins to decide in: the scheduler's own cache and the informers' own copies, filled by hand. */
import { silentLogger } from '../../../../machinery/process/logger.ts';
import { ObjectCache } from '../../../../machinery/client/object-cache.ts';
import type { AnyObject, Resource } from '../../../../machinery/client/resource.ts';
import { namespaces } from '../../../../machinery/client/resource.ts';
import type { Node, NodeSpec, Pod, PodSpec } from '../../../../proto/api/core-v1.ts';
import { SchedulerCache } from '../../cache/scheduler-cache.ts';
import { CycleState } from '../../framework/cycle-state.ts';
import type { Plugin, PluginFactory } from '../../framework/framework.ts';
import type { Handle } from '../../framework/handle.ts';
import { nodeActions, podActions, type ClusterChange } from '../../queue/cluster-change.ts';
import { QueueingHints } from '../../queue/queueing-hints.ts';

export type Labels = Record<string, string>;

export class PluginWorld {
  readonly cluster = new SchedulerCache();
  private readonly copies = new Map<string, ObjectCache<AnyObject>>();

  /** What plugins need of the scheduler to decide. */
  readonly handle = {
    snapshot: () => this.cluster,
    informers: {
      informer: (resource: Resource<AnyObject>) => {
        const lister = this.copyOf(resource);
        return { lister, addIndex: lister.addIndex.bind(lister) };
      },
    },
  } as unknown as Handle;

  plugin(factory: PluginFactory, args?: unknown): Plugin {
    return factory(args, this.handle);
  }

  put<T extends AnyObject>(resource: Resource<T>, object: T): void {
    this.copyOf(resource as unknown as Resource<AnyObject>).put(object);
  }

  namespace(name: string, labels: Labels = {}): void {
    this.put(namespaces, { metadata: { name, labels }, spec: {} });
  }

  nodes(...nodes: readonly Node[]): this {
    for (const node of nodes) this.cluster.setNode(node);
    return this;
  }

  /** Pods with the node that they run on. */
  pods(...pods: readonly Pod[]): this {
    for (const pod of pods) this.cluster.setPod(pod, pod.spec.nodeName ?? '');
    return this;
  }

  private copyOf(resource: Resource<AnyObject>): ObjectCache<AnyObject> {
    const known = this.copies.get(resource.resource) ?? new ObjectCache<AnyObject>();
    this.copies.set(resource.resource, known);
    return known;
  }
}

export interface Verdict {
  /** Why each node was turned down; undefined: it fits. */
  readonly reasons: Record<string, string | undefined>;
  /** Of each node that was turned down: whether it is out of the question. */
  readonly unresolvable: Record<string, boolean>;
  /** What preFilter said, beside computing. */
  readonly preFilter: unknown;
}

/** Runs PreFilter and Filter of one plugin over all nodes. */
export function filterAll(plugin: Plugin, pod: Pod, { cluster }: PluginWorld): Verdict {
  const state = new CycleState();
  const preFilter = plugin.preFilter?.(state, pod, cluster);
  const verdict: Verdict = { reasons: {}, unresolvable: {}, preFilter };
  for (const info of cluster.nodes) {
    const rejections = preFilter === 'skip' ? undefined : plugin.filter?.(state, pod, info);
    verdict.reasons[info.name] = rejections?.map(({ reason }) => reason).join(', ');
    if (rejections !== undefined) verdict.unresolvable[info.name] = rejections.some(each => each.unresolvable);
  }
  return verdict;
}

/** Runs PreScore, Score and (unless `raw`) normalisation of one plugin over all nodes; `skip` if it has nothing to say. */
export function scoreAll(
  plugin: Plugin,
  pod: Pod,
  { cluster }: PluginWorld,
  raw = false,
): 'skip' | Record<string, number> {
  const state = new CycleState();
  const { nodes } = cluster;
  if (plugin.preScore?.(state, pod, nodes) === 'skip') return 'skip';
  const scores = nodes.map(info => plugin.score?.(state, pod, info) ?? 0);
  if (!raw) plugin.normalize?.(state, pod, scores);
  return Object.fromEntries(nodes.map(({ name }, i) => [name, scores[i] ?? 0]));
}

interface NodeShape extends Partial<NodeSpec> {
  readonly labels?: Labels | undefined;
  readonly allocatable?: Labels | undefined;
  readonly images?: Record<string, number> | undefined;
}

/** @param shape its labels get the node's name as host name, unless they have one */
export function aNode(name: string, { labels, allocatable, images, ...spec }: NodeShape = {}): Node {
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
    spec,
    status: {
      allocatable: { cpu: '4', memory: '8Gi', pods: '110', ...allocatable },
      images: Object.entries(images ?? {}).map(([image, sizeBytes]) => ({ names: [image], sizeBytes })),
    },
  };
}

interface PodShape extends Partial<PodSpec> {
  readonly name?: string | undefined;
  readonly namespace?: string | undefined;
  readonly labels?: Labels | undefined;
  readonly terminating?: boolean | undefined;
  /** Requests of its one container. */
  readonly requests?: Labels | undefined;
}

let pods = 0;

export function aPod({ name, namespace, labels, terminating, requests, ...spec }: PodShape = {}): Pod {
  const own = name ?? `pod-${pods++}`;
  return {
    metadata: {
      name: own,
      namespace: namespace ?? 'default',
      uid: `uid-${own}`,
      labels,
      ...(terminating === true ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: {
      containers: [{ name: 'c', image: 'i', ...(requests === undefined ? {} : { resources: { requests } }) }],
      ...spec,
    },
  };
}

/** Whether the queue would try a pod again that the plugin turned down, when this happens. */
export function wakes(plugin: Plugin, pod: Pod, change: ClusterChange): boolean {
  const hints = new QueueingHints([{ schedulerName: 's', plugins: [plugin] }], silentLogger);
  return hints.mayHelp(hints.keysOf('s', [plugin.name]), pod, change);
}

/** A change of a pod or node that is both there before and after. */
export function updateOf(older: Node | Pod, newer: Node | Pod): ClusterChange {
  if ('containers' in older.spec)
    return { resource: 'Pod', actions: podActions(older as Pod, newer as Pod), older, newer };
  return { resource: 'Node', actions: nodeActions(older as Node, newer as Node), older, newer };
}

export const nodeComes = (newer: Node): ClusterChange => ({ resource: 'Node', actions: ['Add'], older: undefined, newer });
export const nodeGoes = (older: Node): ClusterChange => ({ resource: 'Node', actions: ['Delete'], older, newer: undefined });
export const podComes = (newer: Pod): ClusterChange => ({
  resource: 'Pod',
  actions: ['AssignedPodAdd'],
  older: undefined,
  newer,
});
export const podGoes = (older: Pod): ClusterChange => ({
  resource: 'Pod',
  actions: ['AssignedPodDelete'],
  older,
  newer: undefined,
});
