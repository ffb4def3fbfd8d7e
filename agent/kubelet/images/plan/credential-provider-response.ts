/**
 * What a credential provider answers. Errors say nothing of its content: that is credentials.
 * Source: `staging/src/k8s.io/kubelet/pkg/apis/credentialprovider/v1` 1.36.
 */
import { parseDurationMs } from '../../../../machinery/meta/duration.ts';
import { loginsOf, type RegistryLogin } from './docker-config.ts';

export interface CredentialProviderAnswer {
  readonly logins: readonly RegistryLogin[];
  readonly cacheKeyType: 'Image' | 'Registry' | 'Global';
  /** 0: not at all; undefined: as the configuration says. */
  readonly cacheMs: number | undefined;
}

const CACHE_KEY_TYPES = ['Image', 'Registry', 'Global'] as const;

/** @throws Error in words */
export function parseProviderAnswer(text: string, apiVersion: string): CredentialProviderAnswer {
  const { kind, apiVersion: answered, cacheKeyType, cacheDuration, auth } = parseJson(text);
  if (kind !== 'CredentialProviderResponse') throw new Error('it answered with no CredentialProviderResponse');
  if (answered !== apiVersion) {
    throw new Error(
      `apiVersion from credential plugin response did not match expected apiVersion:${apiVersion}, actual apiVersion:${String(answered)}`,
    );
  }
  const keyType = CACHE_KEY_TYPES.find(type => type === cacheKeyType);
  if (keyType === undefined) throw new Error('credential provider plugin did not return a valid cacheKeyType');
  const cacheMs = typeof cacheDuration === 'string' ? parseDurationMs(cacheDuration) : undefined;
  if (cacheDuration !== undefined && cacheDuration !== null && cacheMs === undefined) {
    throw new Error('credential provider plugin did not return a valid cacheDuration');
  }
  return { logins: loginsOf(auth ?? {}) ?? [], cacheKeyType: keyType, cacheMs };
}

function parseJson(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What it is instead stands in no error.
  }
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  throw new Error('error decoding credential provider plugin response from stdout');
}
