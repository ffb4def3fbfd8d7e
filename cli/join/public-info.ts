/** Reads `kube-public/cluster-info`, which anybody may, over a connection that is not verified (see fetch-authority.ts). */
import { request } from 'node:https';
import { CliError } from '../exit-codes.ts';

const PATH = '/api/v1/namespaces/kube-public/configmaps/cluster-info';
const MAX_BYTES = 256 * 1024;
const TIMEOUT_MS = 10_000;

/** @returns the certificate-authority-data of the kubeconfig in it, decoded */
export async function loadPublicInfo(server: string): Promise<string> {
  const pem = await authorityIn(await get(new URL(PATH, server)));
  if (pem === undefined)
    throw new CliError(`${server} answers, but not as a k8ts control plane: it has no cluster-info`);
  return pem;
}

/** @param body cluster-info as JSON; the kubeconfig in it is YAML, of which JSON is a part */
export async function authorityIn(body: string): Promise<string | undefined> {
  const { parse } = await import('yaml');
  try {
    const { data } = JSON.parse(body) as { data: { kubeconfig: string } };
    const { clusters } = parse(data.kubeconfig) as { clusters: { cluster: Record<string, unknown> }[] };
    const authority = clusters[0]?.cluster['certificate-authority-data'];
    return typeof authority === 'string' ? Buffer.from(authority, 'base64').toString('utf8') : undefined;
  } catch {
    // Whatever answered there, it was no cluster-info.
    return undefined;
  }
}

function get(url: URL): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void =>
      reject(new CliError(`Cannot reach ${url.origin}: ${why}. Is the control plane up, and its port open?`));
    const req = request(url, { rejectUnauthorized: false, timeout: TIMEOUT_MS, agent: false }, res => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_BYTES) req.destroy(new Error('its answer is too large'));
      });
      res.on('end', () => (res.statusCode === 200 ? resolve(text) : fail(`it answered ${res.statusCode}`)));
    });
    req.on('timeout', () => req.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    req.on('error', error => fail(error.message));
    req.end();
  });
}
