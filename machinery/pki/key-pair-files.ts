/**
 * Certificates and keys on disk: loaded when they are there and good, made or renewed when not. Keys are written with mode 0600, whole files
 * at a time; a key comes to the disk before its certificate, so a crash between the two is seen and repaired at the next start.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../process/write-file-atomic.ts';
import {
  BACKDATE_MS,
  certificateSubject,
  createAuthority,
  DAY_MS,
  generateKeyPem,
  issueKeyPair,
  type CertificateRequest,
  type KeyPair,
} from './certificate.ts';

/** Where a pair lives. */
export interface KeyPairPaths {
  certPath: string;
  keyPath: string;
}

/** What became of a pair: for the log. */
export interface LoadedKeyPair extends KeyPair {
  /** Why it was written; undefined when it was good as it stood. */
  written: 'created' | 'renewed' | undefined;
}

export interface IssueOptions extends KeyPairPaths {
  authority: KeyPair;
  request: Omit<CertificateRequest, 'notBeforeMs' | 'notAfterMs'>;
  nowMs: number;
  /** Default one year. */
  lifetimeMs?: number | undefined;
}

/**
 * Loads an authority, or makes it when neither file is there. An authority is never renewed by itself: everything it signed would
 * break.
 * @throws Error naming the file when one is missing, unreadable, does not fit the other or has expired
 */
export async function loadOrCreateAuthority(
  options: KeyPairPaths & { commonName: string; nowMs: number },
): Promise<LoadedKeyPair> {
  const { certPath, keyPath, commonName, nowMs } = options;
  const certPem = await readIfThere(certPath);
  const keyPem = await readIfThere(keyPath);
  if (certPem === undefined && keyPem === undefined) {
    const made = createAuthority(commonName, nowMs);
    await writeKeyPair(options, made);
    return { ...made, written: 'created' };
  }
  if (certPem === undefined || keyPem === undefined) {
    const [missing, present] = certPem === undefined ? [certPath, keyPath] : [keyPath, certPath];
    throw new Error(
      `Cannot load certificate authority: ${missing} is missing while ${present} exists; restore it, or remove both to make a new authority`,
    );
  }
  const certificate = parse(certPath, certPem);
  if (!belongTogether(certificate, keyPem)) {
    throw new Error(
      `Cannot load certificate authority: the key in ${keyPath} does not belong to the certificate in ${certPath}`,
    );
  }
  if (Date.parse(certificate.validTo) <= nowMs) {
    throw new Error(
      `The certificate authority in ${certPath} expired on ${certificate.validTo}; make a new one and join the nodes again`,
    );
  }
  return { certPem, keyPem, written: undefined };
}

/**
 * Loads a certificate, or issues it when it is missing, signed by another authority, lacks a name, or a third or less of its life is left.
 * @throws Error naming the file when it cannot be read or written
 */
export async function loadOrIssue(options: IssueOptions): Promise<LoadedKeyPair> {
  const { certPath, keyPath, authority, request, nowMs, lifetimeMs = 365 * DAY_MS } = options;
  const certPem = await readIfThere(certPath);
  const keyPem = await readIfThere(keyPath);
  if (certPem !== undefined && keyPem !== undefined && isGood(options, certPem, keyPem)) {
    return { certPem, keyPem, written: undefined };
  }
  const dates = { notBeforeMs: nowMs - BACKDATE_MS, notAfterMs: nowMs + lifetimeMs };
  const issued = issueKeyPair(authority, { ...request, ...dates });
  await writeKeyPair({ certPath, keyPath }, issued);
  return { ...issued, written: certPem === undefined ? 'created' : 'renewed' };
}

/** Writes the key, then the certificate. */
export async function writeKeyPair(paths: KeyPairPaths, pair: KeyPair): Promise<void> {
  await writeFileAtomic(paths.keyPath, pair.keyPem, 0o600);
  await writeFileAtomic(paths.certPath, pair.certPem, 0o644);
}

/** Loads a private key, or makes it; for signing service-account tokens. */
export async function loadOrCreateKey(path: string): Promise<{ keyPem: string; created: boolean }> {
  const known = await readIfThere(path);
  if (known !== undefined) return { keyPem: known, created: false };
  const keyPem = generateKeyPem();
  await writeFileAtomic(path, keyPem, 0o600);
  return { keyPem, created: true };
}

/** Whether a certificate is to be renewed now: less than a third of its life is left. */
export function needsRenewal(certPem: string, nowMs: number): boolean {
  const certificate = new X509Certificate(certPem);
  const fromMs = Date.parse(certificate.validFrom);
  const toMs = Date.parse(certificate.validTo);
  return nowMs >= toMs - (toMs - fromMs) / 3;
}

function isGood(options: IssueOptions, certPem: string, keyPem: string): boolean {
  try {
    const certificate = new X509Certificate(certPem);
    const ca = new X509Certificate(options.authority.certPem);
    if (needsRenewal(certPem, options.nowMs) || !certificate.verify(ca.publicKey)) return false;
    if (!belongTogether(certificate, keyPem) || !sameSubject(certificate, options.request)) return false;
    const { dnsNames = [], ipAddresses = [] } = options.request;
    return (
      dnsNames.every(name => certificate.checkHost(name, { subject: 'never' }) !== undefined) &&
      ipAddresses.every(address => certificate.checkIP(address) !== undefined)
    );
  } catch {
    // Unreadable as a certificate: it is replaced, which its caller reports.
    return false;
  }
}

function sameSubject(certificate: X509Certificate, request: IssueOptions['request']): boolean {
  const is = certificateSubject(certificate);
  const organizations = [...(request.subject.organizations ?? [])].sort();
  return (
    is.commonName === request.subject.commonName && is.organizations.sort().join('\n') === organizations.join('\n')
  );
}

function belongTogether(certificate: X509Certificate, keyPem: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    return false;
  }
}

function parse(path: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new Error(`Cannot read the certificate in ${path}: it is no PEM certificate`, { cause: error });
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}
