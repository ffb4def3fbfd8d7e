/** Two pods cannot hold one host port of one address and protocol. Source: upstream plugin NodePorts. */
import type { Plugin } from '../framework/framework.ts';
import { hostPortsOf, portsClash, type HostPort } from '../../../machinery/meta/host-ports.ts';

const NAME = 'NodePorts';

export const nodePorts: Plugin = {
  name: NAME,
  preFilter(state, pod) {
    state.write(NAME, hostPortsOf(pod));
    return undefined;
  },
  filter(state, _pod, info) {
    const wanted = state.read<HostPort[]>(NAME);
    if (wanted.length === 0) return undefined;
    if (!info.usedPorts.some(used => wanted.some(w => portsClash(used, w)))) return undefined;
    return [{ reason: "node(s) didn't have free ports for the requested pod ports", unresolvable: false }];
  },
};
