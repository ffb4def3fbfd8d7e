/**
 * The scheduling framework: what a plugin is, and what the scheduler promises it.
 *
 * The extension points have upstream's names (kubernetes.io/docs, "Scheduling Framework"). From PreEnqueue to Permit a plugin decides purely over
 * a snapshot: synchronously, without I/O. PreBind, Bind and PostBind, and what PostFilter carries out once it has decided, are asynchronous and
 * run beside the next decision. A plugin that throws fails the pod's try with an error; the pod is tried again after its back-off.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Rejection } from '../plan/rejection.ts';
import type { ClusterEvent } from './cluster-event.ts';
import type { CycleState } from './cycle-state.ts';
import type { Handle } from './handle.ts';
import type { NodeInfo } from './node-info.ts';
import type { Snapshot } from './snapshot.ts';

export type { Rejection } from '../plan/rejection.ts';

/** Nodes that are worth looking at; none: the pod fits nowhere. */
export interface NodeSubset {
  readonly nodeNames: ReadonlySet<string>;
}

/** A pod in the queue, as QueueSort sees it. */
export interface QueuedPod {
  readonly pod: Pod;
  readonly priority: number;
  /** When it was first queued: grows from pod to pod, also within one millisecond. */
  readonly order: number;
  /** Tries so far. */
  readonly attempts: number;
}

/** Why no node was found: what PostFilter starts from. */
export interface Diagnosis {
  /** By node. Nodes that PreFilter left out stand here too, those that were not looked at do not. */
  readonly byNode: ReadonlyMap<string, readonly Rejection[]>;
  /** Plugins that turned the pod down anywhere. */
  readonly plugins: ReadonlySet<string>;
}

/**
 * `message` is added to what the pod is told, as it is (`preemption: 0/3 nodes are available: …`).
 * With `nominatedNodeName` room is made there: `carryOut` does it, beside the next decision; the nominator knows of it at once.
 */
export interface PostFilterResult {
  readonly message?: string | undefined;
  readonly nominatedNodeName?: string | undefined;
  /** How many pods have to go for it. */
  readonly victims?: number | undefined;
  carryOut?(signal: AbortSignal): Promise<void>;
}

/** `waitMs`: the pod waits, its place kept, until every plugin that asked for it allows it or the time is over. */
export type PermitResult = 'allow' | Rejection | { readonly waitMs: number };

export interface Plugin {
  readonly name: string;

  /** Whether the pod may be tried at all; a rejection keeps it out of the queue until an event that the plugin registered for. */
  preEnqueue?(pod: Pod): Rejection | undefined;
  /** QueueSort: below 0 when `a` is tried before `b`. Exactly one plugin of all profiles has it. */
  compare?(a: QueuedPod, b: QueuedPod): number;

  /**
   * Computes once per pod what `filter` needs. `skip`: the plugin has nothing to say, `filter` is not asked. A rejection turns down every node;
   * a NodeSubset all that are not in it.
   */
  preFilter?(state: CycleState, pod: Pod, snapshot: Snapshot): undefined | 'skip' | Rejection | NodeSubset;
  /** Brings what PreFilter wrote up to date as if `other` ran on `node` too; called on a clone of the state, `node` holds `other` already. */
  addPod?(state: CycleState, pod: Pod, other: Pod, node: NodeInfo): void;
  /** As `addPod`, as if `other` were gone from `node`, which it is already. */
  removePod?(state: CycleState, pod: Pod, other: Pod, node: NodeInfo): void;
  /** Every reason why the pod cannot run on the node; undefined when it can. Called for thousands of nodes: no allocation on the happy path. */
  filter?(state: CycleState, pod: Pod, node: NodeInfo): readonly Rejection[] | undefined;
  /**
   * When no node was found: whether something can be done about it. The first plugin whose result nominates a node is the last asked. Other pods are
   * decided before what is promised comes: the nominator and the snapshot may be others by then.
   */
  postFilter?(state: CycleState, pod: Pod, diagnosis: Diagnosis): PostFilterResult | Promise<PostFilterResult>;

  /** Computes once per pod what `score` needs, given the nodes that passed. `skip`: `score` is not asked. */
  preScore?(state: CycleState, pod: Pod, nodes: readonly NodeInfo[]): 'skip' | undefined;
  /** Raw score of a node that passed; any range, brought to 0..100 by `normalize`. */
  score?(state: CycleState, pod: Pod, node: NodeInfo): number;
  /** Turns raw scores into 0..100 in place. Left out: they are in that range. */
  normalize?(state: CycleState, pod: Pod, scores: number[]): void;

  /** The pod is assumed on the node: sets aside what only the plugin knows of. A rejection undoes the reservations of all plugins. */
  reserve?(state: CycleState, pod: Pod, nodeName: string): Rejection | undefined;
  /** Gives back what `reserve` set aside; called in reverse order, also of plugins whose `reserve` was not reached: must be idempotent. */
  unreserve?(state: CycleState, pod: Pod, nodeName: string): void;
  /** The last word before binding. */
  permit?(state: CycleState, pod: Pod, nodeName: string): PermitResult;

  /** What has to be done before the pod may be bound. @throws any error: the pod is un-reserved and tried again */
  preBind?(state: CycleState, pod: Pod, nodeName: string, signal: AbortSignal): Promise<void>;
  /** Binds the pod, or leaves it to the next plugin. @throws StatusError and others: the pod is un-reserved and tried again */
  bind?(state: CycleState, pod: Pod, nodeName: string, signal: AbortSignal): Promise<'bound' | 'skip'>;
  /** After the pod was bound. What it throws is logged. */
  postBind?(state: CycleState, pod: Pod, nodeName: string, signal: AbortSignal): Promise<void>;

  /** What may make a pod fit that this plugin turned down. Without it: everything may. Asked once. */
  eventsToRegister?(): readonly ClusterEvent[];
}

/** Makes a plugin of its arguments (of `pluginConfig`; undefined: none given). @throws Error naming the field of `args` that is wrong */
export type PluginFactory = (args: unknown, handle: Handle) => Plugin;

/** Plugins that profiles may name, by name. */
export type PluginRegistry = ReadonlyMap<string, PluginFactory>;

/** Largest score of a plugin after normalisation (upstream's MaxNodeScore). */
export const MAX_NODE_SCORE = 100;
