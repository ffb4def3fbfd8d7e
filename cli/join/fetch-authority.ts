/**
 * Gets the cluster's CA from a server that nobody knows yet, and believes it only if its key has the hash that the token pins.
 * The one request is made without verification and carries no secret.
 */
import { loadPublicInfo } from './public-info.ts';
import { authorityHash } from '../../machinery/pki/certificate.ts';
import { CliError } from '../exit-codes.ts';

/** @returns the CA, PEM @throws CliError */
export async function fetchAuthority(server: string, caHash: string): Promise<string> {
  const pem = await loadPublicInfo(server);
  for (const certificate of pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []) {
    if (authorityHash(certificate) === caHash) return `${certificate}\n`;
  }
  throw new CliError(
    `${server} is not the cluster that the token is for: the hash of its CA differs. Check the address, or make a new token`,
  );
}
