/**
 * Who a TLS client proved to be. Only a chain that Node verified against the client CA counts, and only a certificate that may
 * authenticate clients. One that was shown and does not count is no credential, but no anonymity either.
 */
import type { TLSSocket } from 'node:tls';
import type { PeerCertificate } from './request.ts';

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const ANY_USAGE = '2.5.29.37.0';

/** undefined: none was shown, or one that names nobody. */
export function peerCertificate(socket: TLSSocket): PeerCertificate | 'refused' | undefined {
  const cert = socket.getPeerCertificate();
  const subject: unknown = (cert as { subject?: unknown } | null)?.subject;
  if (typeof subject !== 'object' || subject === null) return undefined;
  if (!socket.authorized) return 'refused';
  const usages = (cert.ext_key_usage as string[] | undefined) ?? [];
  if (usages.length > 0 && !usages.includes(CLIENT_AUTH) && !usages.includes(ANY_USAGE)) return 'refused';
  const { CN, O } = subject as { CN?: string | string[]; O?: string | string[] };
  const commonName = [CN ?? ''].flat().at(-1) ?? '';
  if (commonName === '') return undefined;
  const fingerprint = cert.fingerprint256.replaceAll(':', '').toLowerCase();
  return { commonName, organizations: O === undefined ? [] : [O].flat(), fingerprint };
}
