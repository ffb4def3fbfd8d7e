/** One GET to a kubelet, for the API server's own use. */
import { StatusError, serviceUnavailable } from '../../../machinery/meta/status-error.ts';
import type { Request } from '../server/request.ts';
import type { Address } from './kubelet-address.ts';
import type { KubeletClient } from './pod-connect.ts';
import { forwardRequest } from './proxy-request.ts';

const MAX_BYTES = 64 * 1024 * 1024;
const NO_QUERY = new URLSearchParams();

/** The body of an answer that is 200. @throws StatusError ServiceUnavailable; the reason of `signal` */
export async function getFromKubelet(
  kubelet: KubeletClient | undefined,
  address: Address,
  path: string,
  signal: AbortSignal,
): Promise<string> {
  const request: Request = {
    method: 'GET',
    path,
    rawQuery: '',
    query: NO_QUERY,
    headers: {},
    body: { kind: 'none' },
    signal,
    remoteAddress: '',
  };
  const { cert, key, ca } = kubelet ?? {};
  const answer = await forwardRequest(request, { scheme: 'https', ...address, path, cert, key, ca });
  if (answer.kind !== 'stream') throw new Error(`the kubelet's answer is no stream but ${answer.kind}`);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body) {
    bytes += (chunk as Buffer).length;
    if (bytes > MAX_BYTES)
      throw serviceUnavailable(`the kubelet's answer to ${path} is longer than ${MAX_BYTES} bytes`);
    chunks.push(chunk as Buffer);
  }
  const text = Buffer.concat(chunks).toString();
  if (answer.status === 200) return text;
  throw new StatusError('ServiceUnavailable', 503, `the kubelet answered ${answer.status} to ${path}: ${text.trim()}`);
}
