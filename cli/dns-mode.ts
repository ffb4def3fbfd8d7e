/** Who answers at the cluster's DNS addresses: each node until the Service there has endpoints, each node, or nobody of ours. */
export const DNS_MODES = ['auto', 'builtin', 'external'] as const;

export type DnsMode = (typeof DNS_MODES)[number];

/** @returns undefined if it is none */
export function dnsModeOf(text: string | undefined): DnsMode | undefined {
  return DNS_MODES.find(mode => mode === text);
}
