/** Two pods cannot hold one host port of one address and protocol. Source: upstream plugin NodePorts. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Plugin } from '../framework/framework.ts';
import { hostPortsOf, portsClash, type HostPort } from '../../../machinery/meta/host-ports.ts';

const NAME = 'NodePorts';
const REJECTIONS = [{ reason: "node(s) didn't have free ports for the requested pod ports", unresolvable: false }];

export const nodePorts: Plugin = {
  name: NAME,
  preFilter(state, pod) {
    const wanted = hostPortsOf(pod);
    if (wanted.length === 0) return 'skip';
    state.write(NAME, wanted);
    return undefined;
  },
  filter(state, _pod, { usedPorts }) {
    if (usedPorts.length === 0) return undefined;
    return clash(usedPorts, state.read<readonly HostPort[]>(NAME)) ? REJECTIONS : undefined;
  },
  eventsToRegister: () => [
    {
      resource: 'Pod',
      actions: ['AssignedPodDelete'],
      hint: (pod, older) => (clash(hostPortsOf(older as Pod), hostPortsOf(pod)) ? 'queue' : 'skip'),
    },
    { resource: 'Node', actions: ['Add'] },
  ],
};

function clash(used: readonly HostPort[], wanted: readonly HostPort[]): boolean {
  for (const taken of used) for (const port of wanted) if (portsClash(taken, port)) return true;
  return false;
}
