/**
 * Bootstrap tokens: who joins the cluster shows `id.secret` of a Secret in kube-system.
 * Source: kubernetes.io/docs, "Authenticating with Bootstrap Tokens".
 */
import {
  BOOTSTRAP_TOKEN_NAMESPACE,
  bootstrapTokenSecretName,
  grantsAuthentication,
  parseBootstrapToken,
  readBootstrapTokenSecret,
} from '../../../machinery/pki/bootstrap-token.ts';
import { unauthorized } from '../../../machinery/meta/status-error.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Secret } from '../../../proto/api/core-v1.ts';
import type { TokenAuthenticator } from '../filters/authenticate.ts';
import type { ResourceStorage } from '../storage/storage.ts';

export function bootstrapAuthenticator(secrets: ResourceStorage<Secret>, clock: Clock): TokenAuthenticator {
  return async text => {
    const token = parseBootstrapToken(text);
    if (token === undefined) return undefined;
    const found = await secrets
      .get(BOOTSTRAP_TOKEN_NAMESPACE, bootstrapTokenSecretName(token.id))
      .catch(() => undefined);
    const grant =
      found === undefined || found.object.metadata.deletionTimestamp !== undefined
        ? undefined
        : readBootstrapTokenSecret(found.object);
    if (grant === undefined || !grantsAuthentication(grant, token, clock.now())) throw unauthorized();
    return { name: `system:bootstrap:${token.id}`, groups: ['system:bootstrappers', ...grant.groups] };
  };
}
