/** Two pods cannot hold one host port of one address and protocol. Source: upstream plugin NodePorts. */
import type { Plugin } from '../framework/framework.ts';
import { hostPortsOf, type HostPort } from '../framework/node-info.ts';

const NAME = 'NodePorts';

function clash(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0');
}

export const nodePorts: Plugin = {
  name: NAME,
  preFilter(state, pod) {
    state.set(NAME, hostPortsOf(pod));
    return undefined;
  },
  filter(state, _pod, info) {
    const wanted = state.get(NAME) as HostPort[];
    if (wanted.length === 0) return [];
    for (const other of info.pods.values()) {
      if (hostPortsOf(other).some(used => wanted.some(w => clash(used, w)))) {
        return [{ reason: "node(s) didn't have free ports for the requested pod ports", unresolvable: false }];
      }
    }
    return [];
  },
};
