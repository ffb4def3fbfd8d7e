/** Reserve and Permit: the last steps of a decision, once a node is chosen. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { CycleState } from './cycle-state.ts';
import type { PermitResult, Rejection } from './framework.ts';
import type { PluginsByPoint } from './profile.ts';
import { timed, type Timing } from './timing.ts';

/** A pod on its way to the node that was chosen for it. */
export interface Placement {
  readonly plugins: PluginsByPoint;
  readonly state: CycleState;
  readonly pod: Pod;
  readonly nodeName: string;
  readonly timing?: Timing | undefined;
}

/** A plugin turned the pod down although a node was found. */
export interface TurnedDown {
  readonly plugin: string;
  readonly rejection: Rejection;
}

/** @returns who turned it down, the others' reservations standing: `unreserve` is to be called; undefined when nobody did */
export function runReserve({ plugins, state, pod, nodeName, timing }: Placement): TurnedDown | undefined {
  if (plugins.reserve.length === 0) return undefined;
  const reserve = (): TurnedDown | undefined => {
    for (const { plugin } of plugins.reserve) {
      const rejection = plugin.reserve?.(state, pod, nodeName);
      if (rejection !== undefined) return { plugin: plugin.name, rejection };
    }
    return undefined;
  };
  return timed(timing, 'Reserve', reserve, turned => (turned === undefined ? 'Success' : 'Unschedulable'));
}

/**
 * Gives back what was reserved, the last reservation first.
 *
 * @param onError a plugin's own failure, which must not keep the others from giving back
 */
export function runUnreserve(
  { plugins, state, pod, nodeName }: Placement,
  onError: (plugin: string, error: unknown) => void,
): void {
  for (const { plugin } of [...plugins.reserve].reverse()) {
    try {
      plugin.unreserve?.(state, pod, nodeName);
    } catch (error) {
      onError(plugin.name, error);
    }
  }
}

/** @returns how long at most each plugin keeps it waiting, in milliseconds; nobody: it may go on */
export function runPermit({
  plugins,
  state,
  pod,
  nodeName,
  timing,
}: Placement): TurnedDown | ReadonlyMap<string, number> {
  const waits = new Map<string, number>();
  if (plugins.permit.length === 0) return waits;
  const permit = (): TurnedDown | ReadonlyMap<string, number> => {
    for (const { plugin } of plugins.permit) {
      const answer: PermitResult = plugin.permit?.(state, pod, nodeName) ?? 'allow';
      if (answer === 'allow') continue;
      if (!('waitMs' in answer)) return { plugin: plugin.name, rejection: answer };
      waits.set(plugin.name, answer.waitMs);
    }
    return waits;
  };
  return timed(timing, 'Permit', permit, answer => {
    if ('rejection' in answer) return 'Unschedulable';
    return waits.size > 0 ? 'Wait' : 'Success';
  });
}
