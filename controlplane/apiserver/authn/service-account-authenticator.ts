/**
 * Bearer tokens of service accounts: the signature is checked by machinery/pki, that everything the token is bound to still lives is
 * checked here, each time.
 * Source: kubernetes `pkg/serviceaccount/claims.go` (Validate) and `legacy.go`.
 */
import { timingSafeEqual } from 'node:crypto';
import { unauthorized } from '../../../machinery/meta/status-error.ts';
import {
  TokenError,
  type ServiceAccountTokens,
  type VerifiedToken,
} from '../../../machinery/pki/service-account-tokens.ts';
import type { UserInfo } from '../server/request.ts';
import type { KubeObject, ResourceStorage } from '../storage/storage.ts';

export interface BoundObjects {
  readonly serviceAccounts: ResourceStorage;
  readonly pods: ResourceStorage;
  readonly secrets: ResourceStorage;
  readonly nodes: ResourceStorage;
}

/** Who a service-account token is; undefined: none of ours. @throws StatusError Unauthorized */
export async function serviceAccountUser(
  tokens: ServiceAccountTokens,
  objects: BoundObjects,
  token: string,
  audiences: readonly string[],
  nowMs: number,
): Promise<{ user: UserInfo; audiences: readonly string[] } | undefined> {
  let verified: VerifiedToken | undefined;
  try {
    verified = tokens.verify(token, audiences);
  } catch (error) {
    if (error instanceof TokenError) throw unauthorized();
    throw error;
  }
  if (verified === undefined) return undefined;
  const { namespace, serviceAccount, pod, secret, node } = verified;
  if (!(await lives(objects.serviceAccounts, namespace, serviceAccount.name, serviceAccount.uid, nowMs)))
    throw unauthorized();
  if (pod !== undefined && !(await lives(objects.pods, namespace, pod.name, pod.uid, nowMs))) throw unauthorized();
  if (secret !== undefined) {
    if (!(await lives(objects.secrets, namespace, secret.name, secret.uid, nowMs))) throw unauthorized();
    if (verified.legacy && !holds(objects.secrets, namespace, secret.name, token)) throw unauthorized();
  }
  // Beside a pod the node only informs.
  if (node !== undefined && pod === undefined && !(await lives(objects.nodes, '', node.name, node.uid, nowMs)))
    throw unauthorized();
  return { user: userOf(verified), audiences: verified.audiences };
}

/** A bound object that is being deleted counts for a minute more, so that a pod can still say goodbye. */
const DELETION_LEEWAY_MS = 60_000;

async function lives(
  storage: ResourceStorage,
  namespace: string,
  name: string,
  uid: string | undefined,
  nowMs: number,
): Promise<boolean> {
  let object: KubeObject | undefined = storage.peek(namespace, name)?.object;
  object ??= (await storage.get(namespace, name).catch(() => undefined))?.object;
  if (object === undefined || (uid !== undefined && object.metadata?.uid !== uid)) return false;
  const deletion = object.metadata?.deletionTimestamp;
  return deletion === undefined || nowMs < Date.parse(deletion) + DELETION_LEEWAY_MS;
}

/** Whether the Secret still has this token: a new one in its place revokes the old. */
function holds(secrets: ResourceStorage, namespace: string, name: string, token: string): boolean {
  const secret = secrets.peek(namespace, name)?.object as { data?: Record<string, string> } | undefined;
  const held = Buffer.from(secret?.data?.['token'] ?? '', 'base64');
  const shown = Buffer.from(token);
  return held.length === shown.length && timingSafeEqual(held, shown);
}

function userOf({ namespace, serviceAccount, pod, node, id }: VerifiedToken): UserInfo {
  const extra: Record<string, string[]> = {};
  if (id !== undefined) extra['authentication.kubernetes.io/credential-id'] = [`JTI=${id}`];
  if (pod !== undefined) {
    extra['authentication.kubernetes.io/pod-name'] = [pod.name];
    extra['authentication.kubernetes.io/pod-uid'] = [pod.uid];
  }
  if (node !== undefined) {
    extra['authentication.kubernetes.io/node-name'] = [node.name];
    if (node.uid !== undefined) extra['authentication.kubernetes.io/node-uid'] = [node.uid];
  }
  return {
    name: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
    uid: serviceAccount.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
    extra,
  };
}
