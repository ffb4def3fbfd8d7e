/**
 * A pod's addresses as its status has them: one a family, that of the node's primary family first, whatever order the runtime tells them in.
 * Source: kubernetes 1.36 `pkg/kubelet/kubelet_network.go`, sortPodIPs.
 */
import type { IpFamily } from '../../../machinery/meta/ip-number.ts';
import { ipFamilyOf } from '../../../machinery/meta/value-shapes.ts';

export function podAddresses(told: readonly string[], primary: IpFamily): string[] {
  const first = told.find(ip => ipFamilyOf(ip) === primary);
  const second = told.find(ip => ipFamilyOf(ip) !== undefined && ipFamilyOf(ip) !== primary);
  return [first, second].filter(ip => ip !== undefined);
}
