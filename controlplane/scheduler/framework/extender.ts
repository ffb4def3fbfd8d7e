/**
 * An extender: a web service that has a say in decisions. Source: kubernetes.io/docs, "Scheduler Extender"; upstream's `framework.Extender`.
 *
 * Extenders answer later, so a pod that one of them is interested in takes two steps: what plugins find over one snapshot is shown to the
 * extenders, beside the decisions for other pods; once they have answered, plugins decide again over the snapshot of that moment, among the nodes that extenders left. Pods that
 * no extender is interested in never wait for one.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Rejection } from '../plan/rejection.ts';
import type { NodeInfo } from './node-info.ts';

/** Pods that would have to go from one node. */
export interface Victims {
  /** The most important first. */
  readonly pods: readonly Pod[];
  /** How many of them a disruption budget protects. */
  readonly violations: number;
}

export interface ExtenderVerdict {
  readonly nodeNames: ReadonlySet<string>;
  /** Nodes that were turned down with a reason. */
  readonly rejections: ReadonlyMap<string, Rejection>;
}

/** Every call ends within the extender's time-out. What it throws says which extender failed and how. */
export interface Extender {
  readonly name: string;
  /** A pod is scheduled without it when it fails. */
  readonly isIgnorable: boolean;
  readonly canFilter: boolean;
  readonly canPrioritize: boolean;
  readonly canPreempt: boolean;
  readonly canBind: boolean;
  isInterested(pod: Pod): boolean;
  /** @throws ExtenderError */
  filter(pod: Pod, nodes: readonly NodeInfo[], signal: AbortSignal): Promise<ExtenderVerdict>;
  /** What the extender adds to a node's score, its weight included, by node. @throws ExtenderError */
  prioritize(pod: Pod, nodes: readonly NodeInfo[], signal: AbortSignal): Promise<ReadonlyMap<string, number>>;
  /** The candidates that are left, with the victims that the extender wants. @throws ExtenderError */
  preempt(
    pod: Pod,
    candidates: ReadonlyMap<string, Victims>,
    node: (name: string) => NodeInfo | undefined,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Victims>>;
  /** Lets the extender bind the pod. @throws ExtenderError */
  bind(pod: Pod, nodeName: string, signal: AbortSignal): Promise<void>;
}

/** An extender did not answer, or answered what cannot be used. */
export class ExtenderError extends Error {
  constructor(extender: string, message: string, options?: ErrorOptions) {
    super(`extender ${extender}: ${message}`, options);
    this.name = 'ExtenderError';
  }
}
