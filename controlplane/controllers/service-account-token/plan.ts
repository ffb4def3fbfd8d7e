/**
 * Service-account token Secrets: what a Secret should hold and which Secrets should not be. Pure.
 * Source: upstream `pkg/controller/serviceaccount/tokens_controller.go`.
 */
import type { Secret, ServiceAccount } from '../../../proto/api/core-v1.ts';

export const TOKEN_TYPE = 'kubernetes.io/service-account-token';
export const ACCOUNT_NAME = 'kubernetes.io/service-account.name';
export const ACCOUNT_UID = 'kubernetes.io/service-account.uid';

export type SecretPlan =
  { kind: 'keep' } | { kind: 'delete' } | { kind: 'fill'; data: Record<string, string>; needsToken: boolean };

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** @param account the one that the Secret names, if it exists */
export function planTokenSecret(secret: Secret, account: ServiceAccount | undefined, caPem: string): SecretPlan {
  if (secret.type !== TOKEN_TYPE || secret.metadata.deletionTimestamp !== undefined) return { kind: 'keep' };
  const uid = secret.metadata.annotations?.[ACCOUNT_UID];
  if (account === undefined || (uid !== undefined && uid !== '' && uid !== account.metadata.uid))
    return { kind: 'delete' };
  const old = secret.data ?? {};
  const want = { 'ca.crt': base64(caPem), namespace: base64(secret.metadata.namespace ?? '') };
  const needsToken = (old['token'] ?? '') === '';
  const complete =
    old['ca.crt'] === want['ca.crt'] && old['namespace'] !== undefined && uid !== undefined && !needsToken;
  return complete ? { kind: 'keep' } : { kind: 'fill', data: { ...old, ...want }, needsToken };
}
