/** Reads `kube-public/cluster-info`, which anybody may, over a connection that is not verified (see fetch-authority.ts). */
import { request } from 'node:https';
import { CliError } from '../exit-codes.ts';

const PATH = '/api/v1/namespaces/kube-public/configmaps/cluster-info';
const MAX_BYTES = 256 * 1024;
const TIMEOUT_MS = 10_000;

/** @returns the certificate-authority-data of the kubeconfig in it, decoded */
export async function loadPublicInfo(server: string): Promise<string> {
  const body = await get(new URL(PATH, server));
  let kubeconfig: string | undefined;
  try {
    kubeconfig = (JSON.parse(body) as { data?: { kubeconfig?: string } }).data?.kubeconfig;
  } catch {
    kubeconfig = undefined;
  }
  const data = /certificate-authority-data:\s*"?([A-Za-z0-9+/=]+)/.exec(kubeconfig ?? '')?.[1];
  if (data === undefined)
    throw new CliError(`${server} answers, but not as a k8ts control plane: it has no cluster-info`);
  return Buffer.from(data, 'base64').toString('utf8');
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
