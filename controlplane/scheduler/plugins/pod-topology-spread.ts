/**
 * Keeps pods evenly spread over zones, hosts or any other topology. Source: upstream plugin PodTopologySpread; the constraints that
 * hold for pods without any are upstream's too (hostname with skew 3, zone with skew 5, both only preferred) and need an owner.
 */
import type { Pod, TopologySpreadConstraint } from '../../../proto/api/core-v1.ts';
import type { Plugin } from '../framework/framework.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import type { Snapshot } from '../framework/snapshot.ts';
import { nodeMatchesPod } from '../../../machinery/meta/node-selector.ts';
import { untoleratedTaint } from '../../../machinery/meta/tolerations.ts';
import { compileConstraint, type CompiledTerm } from '../plan/topology.ts';

const NAME = 'PodTopologySpread';
const HOSTNAME = 'kubernetes.io/hostname';

interface Counted {
  constraint: TopologySpreadConstraint;
  term: CompiledTerm;
  /** Matching pods by topology value, for every eligible value (0 included). */
  counts: Map<string, number>;
  /** 1 if the pod counts itself. */
  self: number;
}

/** Whether a node's domain counts at all for this constraint. */
function eligible(constraint: TopologySpreadConstraint, pod: Pod, info: NodeInfo): boolean {
  if ((constraint.nodeAffinityPolicy ?? 'Honor') === 'Honor' && !nodeMatchesPod(pod, info.node)) return false;
  if ((constraint.nodeTaintsPolicy ?? 'Ignore') === 'Ignore') return true;
  return (
    untoleratedTaint(info.node.spec.taints ?? [], pod.spec.tolerations ?? [], ['NoSchedule', 'NoExecute']) === undefined
  );
}

function count(constraint: TopologySpreadConstraint, pod: Pod, snapshot: Snapshot): Counted {
  const term = compileConstraint(constraint, pod);
  const counts = new Map<string, number>();
  for (const info of snapshot.nodes) {
    const value = info.node.metadata.labels?.[constraint.topologyKey];
    if (value === undefined || !eligible(constraint, pod, info)) continue;
    let n = 0;
    for (const other of info.pods.values()) if (term.matches(other)) n++;
    counts.set(value, (counts.get(value) ?? 0) + n);
  }
  return { constraint, term, counts, self: term.matches(pod) ? 1 : 0 };
}

/** Upstream's cluster defaults: services' and owners' pods prefer to be apart. They select by the pod's own labels. */
function defaultConstraints(pod: Pod): TopologySpreadConstraint[] {
  if ((pod.metadata.ownerReferences ?? []).every(o => o.controller !== true)) return [];
  const labelSelector = { matchLabels: pod.metadata.labels ?? {} };
  return [
    { maxSkew: 3, topologyKey: HOSTNAME, whenUnsatisfiable: 'ScheduleAnyway', labelSelector },
    { maxSkew: 5, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', labelSelector },
  ];
}

export const podTopologySpread: Plugin = {
  name: NAME,
  preFilter(state, pod, snapshot) {
    const given = pod.spec.topologySpreadConstraints ?? [];
    const all = given.length > 0 ? given : defaultConstraints(pod);
    state.write(
      NAME,
      all.map(c => count(c, pod, snapshot)),
    );
    return undefined;
  },
  filter(state, _pod, info) {
    for (const { constraint, counts, self } of state.read<Counted[]>(NAME)) {
      if (constraint.whenUnsatisfiable !== 'DoNotSchedule') continue;
      const value = info.node.metadata.labels?.[constraint.topologyKey];
      if (value === undefined) {
        return [
          {
            reason: "node(s) didn't match pod topology spread constraints (missing required label)",
            unresolvable: true,
          },
        ];
      }
      const least = counts.size < (constraint.minDomains ?? 1) ? 0 : Math.min(...counts.values());
      if ((counts.get(value) ?? 0) + self - least > constraint.maxSkew) {
        return [{ reason: "node(s) didn't match pod topology spread constraints", unresolvable: false }];
      }
    }
    return undefined;
  },
  score(state, _pod, info) {
    let sum = 0;
    for (const { constraint, counts } of state.read<Counted[]>(NAME)) {
      if (constraint.whenUnsatisfiable !== 'ScheduleAnyway') continue;
      const value = info.node.metadata.labels?.[constraint.topologyKey];
      if (value === undefined) continue;
      // Wider topologies weigh more, as upstream's logarithm of their size does.
      sum += (counts.get(value) ?? 0) * Math.log(counts.size + 2) + (constraint.maxSkew - 1);
    }
    return sum;
  },
  normalize(_state, _pod, scores) {
    const [min, max] = [Math.min(...scores), Math.max(...scores)];
    for (let i = 0; i < scores.length; i++) {
      scores[i] = max === 0 ? 100 : Math.floor((100 * (max + min - (scores[i] ?? 0))) / max);
    }
  },
};
