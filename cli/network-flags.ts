/** The pod network's flags: what is wrong with them, and what they say. */
import type { Encapsulation } from '../agent/network/plan/pod-routes.ts';

export interface NetworkFlags {
  readonly podNetwork: string;
  readonly podBridge: string;
  readonly vxlanId: number;
  readonly vxlanPort: number;
}

const MODES: readonly (Encapsulation | 'none')[] = ['auto', 'routes', 'vxlan', 'none'];
const LARGEST_VXLAN_ID = 2 ** 24 - 1;

/** One sentence a wrong value. */
export function networkProblems({ podNetwork, podBridge, vxlanId, vxlanPort }: NetworkFlags): string[] {
  const problems: string[] = [];
  const say = (flag: string, value: string | number, want: string): void => {
    problems.push(`--${flag}: ${JSON.stringify(value)} ${want}`);
  };
  if (!isPodNetworkMode(podNetwork)) say('pod-network', podNetwork, `is none of ${MODES.join(', ')}`);
  if (podBridge.length > 15 || !/^[\w.-]+$/.test(podBridge))
    say('pod-bridge', podBridge, 'is no interface name (at most 15 characters)');
  if (!Number.isInteger(vxlanId) || vxlanId < 1 || vxlanId > LARGEST_VXLAN_ID)
    say('vxlan-id', vxlanId, `is no number of a VXLAN network (1 to ${LARGEST_VXLAN_ID})`);
  if (!Number.isInteger(vxlanPort) || vxlanPort < 1 || vxlanPort > 65535)
    say('vxlan-port', vxlanPort, 'is no port (1 to 65535)');
  return problems;
}

export function isPodNetworkMode(text: string): text is Encapsulation | 'none' {
  return (MODES as readonly string[]).includes(text);
}
