/** The table of `kubectl get pods`. Source: Kubernetes `pkg/printers/internalversion` (pods), 1.36. */
import type { Pod } from '../../../../proto/api/core-v1.ts';
import type { Column } from '../../registry/strategy.ts';
import { humanDuration } from '../columns/age.ts';
import { ageColumn, column, nameColumn, wide } from '../columns/column.ts';
import { podSummary } from './pod-summary.ts';

export const podColumns: readonly Column<Pod>[] = [
  nameColumn,
  column('Ready', 'Containers that are ready, of all that should run.', pod => {
    const { ready, total } = podSummary(pod);
    return `${ready}/${total}`;
  }),
  column('Status', 'What the containers of the pod are doing, taken together.', pod => podSummary(pod).status),
  column('Restarts', 'Times that containers of the pod were restarted, and when last.', (pod, nowMs) => {
    const { restarts, lastRestartMs } = podSummary(pod);
    return restarts === 0 || lastRestartMs === undefined
      ? String(restarts)
      : `${restarts} (${humanDuration(nowMs - lastRestartMs)} ago)`;
  }),
  ageColumn,
  wide('IP', 'Address of the pod.', pod => pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || '<none>'),
  wide('Node', 'Node that runs the pod.', pod => pod.spec.nodeName || '<none>'),
  wide(
    'Nominated Node',
    'Node on which room is being made for the pod.',
    pod => pod.status?.nominatedNodeName || '<none>',
  ),
  wide('Readiness Gates', 'Further conditions that the pod needs to be ready, and how many hold.', pod => {
    const gates = pod.spec.readinessGates ?? [];
    if (gates.length === 0) return '<none>';
    const conditions = pod.status?.conditions ?? [];
    const held = gates.filter(gate => conditions.find(c => c.type === gate.conditionType)?.status === 'True');
    return `${held.length}/${gates.length}`;
  }),
];
