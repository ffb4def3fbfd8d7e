/** `k8ts token create|list|delete`: tokens that machines join with. Runs on the control machine, as its administrator. */
import {
  BOOTSTRAP_TOKEN_NAMESPACE,
  bootstrapTokenSecret,
  bootstrapTokenSecretName,
  generateBootstrapToken,
  readBootstrapTokenSecret,
} from '../../machinery/pki/bootstrap-token.ts';
import { authorityHash } from '../../machinery/pki/certificate.ts';
import { loadKubeconfig } from '../../machinery/client/kubeconfig.ts';
import { secrets } from '../../machinery/client/resource.ts';
import { isNotFound } from '../../machinery/meta/status-error-from.ts';
import { adminClient } from '../admin-client.ts';
import type { Config } from '../config.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import { formatJoinToken } from '../join/join-token.ts';
import type { Output } from '../output.ts';
import { pathsOf } from '../paths.ts';

type Args = Readonly<Record<string, unknown>>;

export async function token(config: Config, args: Args, output: Output): Promise<void> {
  switch (args['action']) {
    case 'create':
      return create(config, args, output);
    case 'list':
      return list(config, output);
    default:
      return remove(config, args, output);
  }
}

async function create(config: Config, args: Args, output: Output): Promise<void> {
  const paths = pathsOf(config);
  const { client, close } = await adminClient(paths);
  try {
    const { server, tls } = await loadKubeconfig(paths.adminKubeconfig);
    const bootstrap = generateBootstrapToken();
    const ttlMs = parseDuration(String(args['ttl']));
    const expiresAtMs = ttlMs === 0 ? undefined : Date.now() + ttlMs;
    await client.of(secrets).create(
      bootstrapTokenSecret(bootstrap, {
        ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
        ...(args['description'] === '' ? {} : { description: String(args['description']) }),
      }),
    );
    const joinToken = formatJoinToken({ bootstrap, caHash: authorityHash(tls.ca ?? '') });
    const expires = expiresAtMs === undefined ? null : new Date(expiresAtMs).toISOString();
    const command = `k8ts join ${server} --token ${joinToken}`;
    output.result(
      { token: joinToken, server, expires, command },
      args['print-join-command'] === false ? joinToken : command,
    );
  } finally {
    await close();
  }
}

async function list(config: Config, output: Output): Promise<void> {
  const { client, close } = await adminClient(pathsOf(config));
  try {
    const { items } = await client
      .of(secrets)
      .list({ namespace: BOOTSTRAP_TOKEN_NAMESPACE, fieldSelector: 'type=bootstrap.kubernetes.io/token' });
    const rows = items.flatMap(secret => {
      const grant = readBootstrapTokenSecret(secret);
      if (grant === undefined) return [];
      const description = Buffer.from(secret.data?.['description'] ?? '', 'base64').toString('utf8');
      return [
        {
          id: grant.id,
          expires: grant.expiresAtMs === undefined ? null : new Date(grant.expiresAtMs).toISOString(),
          description,
        },
      ];
    });
    const text = [
      'ID      EXPIRES                   DESCRIPTION',
      ...rows.map(r => `${r.id}  ${(r.expires ?? 'never').padEnd(24)}  ${r.description}`),
    ].join('\n');
    output.result({ tokens: rows }, rows.length === 0 ? 'No tokens; make one with: k8ts token create' : text);
  } finally {
    await close();
  }
}

async function remove(config: Config, args: Args, output: Output): Promise<void> {
  const id = String(args['id'] ?? '').split('.')[0] ?? '';
  if (!/^[a-z0-9]{6}$/.test(id))
    throw new CliError('Say which: k8ts token delete ID (k8ts token list shows them)', exitCodes.usage);
  const { client, close } = await adminClient(pathsOf(config));
  try {
    await client.of(secrets).delete({ namespace: BOOTSTRAP_TOKEN_NAMESPACE, name: bootstrapTokenSecretName(id) });
    output.result({ deleted: id }, `Token ${id} is good no more`);
  } catch (error) {
    throw isNotFound(error) ? new CliError(`There is no token ${id}; k8ts token list shows those that are`) : error;
  } finally {
    await close();
  }
}

/** `30m`, `24h`, `7d`, `0`: milliseconds. */
function parseDuration(text: string): number {
  const [, amount, unit = 's'] = /^(\d+)([smhd])?$/.exec(text) ?? [];
  if (amount === undefined)
    throw new CliError(`--ttl: "${text}" is no duration, such as 30m, 24h or 7d`, exitCodes.usage);
  return Number(amount) * { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 's' | 'm' | 'h' | 'd'];
}
