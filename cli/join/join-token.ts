/**
 * What `k8ts token create` prints and `k8ts join --token` takes: a bootstrap token and the hash of the cluster's CA, in one word:
 * `abcdef.0123456789abcdef@sha256:...`. The hash makes sure that the joining machine talks to this cluster and to no other.
 */
import { formatBootstrapToken, parseBootstrapToken, type BootstrapToken } from '../../machinery/pki/bootstrap-token.ts';
import { CliError, exitCodes } from '../exit-codes.ts';

export interface JoinToken {
  bootstrap: BootstrapToken;
  /** `sha256:<hex>` of the CA's public key. */
  caHash: string;
}

export function formatJoinToken({ bootstrap, caHash }: JoinToken): string {
  return `${formatBootstrapToken(bootstrap)}@${caHash}`;
}

/** @throws CliError (usage); the message never repeats the secret part */
export function parseJoinToken(text: string): JoinToken {
  const at = text.indexOf('@');
  const bootstrap = parseBootstrapToken(at < 0 ? text : text.slice(0, at));
  const caHash = at < 0 ? '' : text.slice(at + 1);
  if (bootstrap === undefined || !/^sha256:[0-9a-f]{64}$/.test(caHash)) {
    throw new CliError(
      '--token is not of the form ID.SECRET@sha256:HASH; copy it whole from: k8ts token create',
      exitCodes.usage,
    );
  }
  return { bootstrap, caHash };
}
