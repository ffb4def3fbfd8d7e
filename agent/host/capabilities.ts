/** What this process may do, as the kernel says: root in a container or a hardened machine often lacks some of it. */
import { readFile } from 'node:fs/promises';

/** Bit numbers of linux/capability.h that k8ts asks about. */
export const CAPABILITY_BITS = {
  CAP_KILL: 5,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_SYS_MODULE: 16,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_RESOURCE: 24,
  CAP_BPF: 39,
} as const;

/** The name of one capability. */
export type CapabilityName = keyof typeof CAPABILITY_BITS;

/** The effective capabilities of this process. */
export interface Capabilities {
  has(name: CapabilityName): boolean;
}

/** Reads the `CapEff` line of a /proc/PID/status. */
export function parseCapabilities(procStatus: string): Capabilities {
  const hex = /^CapEff:\s*([0-9a-f]+)$/m.exec(procStatus)?.[1] ?? '0';
  const bits = BigInt(`0x${hex}`);
  return { has: name => ((bits >> BigInt(CAPABILITY_BITS[name])) & 1n) === 1n };
}

/** The capabilities of this process now. */
export async function readCapabilities(): Promise<Capabilities> {
  return parseCapabilities(await readFile('/proc/self/status', 'utf8'));
}
