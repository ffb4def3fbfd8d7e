/** What a driver is told of the pod at NodePublishVolume, if its CSIDriver asks for it. Source: kubernetes.io/docs, "CSIDriver". */
import type { Pod } from '../../../../../proto/api/core-v1.ts';
import type { CsiVolume } from './csi-volume.ts';

const PREFIX = 'csi.storage.k8s.io';

/** Key of the service-account tokens, in the volume's context or its secrets. */
export const TOKENS_KEY = `${PREFIX}/serviceAccount.tokens`;

export interface PodToken {
  readonly audience: string;
  readonly token: string;
  /** RFC 3339. */
  readonly expirationTimestamp: string;
}

/** For `podInfoOnMount`. */
export function podInfo({ metadata, spec }: Pod, { lifecycle }: CsiVolume): Record<string, string> {
  return {
    [`${PREFIX}/pod.name`]: metadata.name ?? '',
    [`${PREFIX}/pod.namespace`]: metadata.namespace ?? '',
    [`${PREFIX}/pod.uid`]: metadata.uid ?? '',
    [`${PREFIX}/serviceAccount.name`]: spec.serviceAccountName ?? '',
    [`${PREFIX}/ephemeral`]: String(lifecycle === 'Ephemeral'),
  };
}

/** The value under `TOKENS_KEY`: JSON, by audience. */
export function tokensValue(tokens: readonly PodToken[]): string {
  const byAudience = tokens.map(({ audience, ...rest }) => [audience, rest] as const);
  return JSON.stringify(Object.fromEntries(byAudience));
}
