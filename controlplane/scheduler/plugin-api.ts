/** What somebody writes a scheduler plugin against: `import type { PluginFactory } from 'k8ts/scheduler'`. Types alone. See docs/scheduling.md. */
export type { ActionType, ClusterEvent, EventResource } from './framework/cluster-event.ts';
export type { CycleState } from './framework/cycle-state.ts';
export type {
  Diagnosis,
  NodeSubset,
  PermitResult,
  Plugin,
  PluginFactory,
  PostFilterResult,
  QueuedPod,
  Rejection,
} from './framework/framework.ts';
export type { Handle } from './framework/handle.ts';
export type { NodeInfo } from './framework/node-info.ts';
export type { Snapshot } from './framework/snapshot.ts';
export type { ResourceSum } from './plan/resources.ts';
export type { Node, Pod } from '../../proto/api/core-v1.ts';
