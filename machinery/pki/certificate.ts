/**
 * Makes X.509 certificates and keys: authorities, and server and client certificates signed by them. ECDSA P-256 with SHA-256.
 * Everything is PEM; keys are PKCS #8, as Kubernetes' tools read them.
 * Source: RFC 5280; the extensions that Kubernetes' own certificates have.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';
import {
  TAG,
  der,
  derBitString,
  derExplicit,
  derInteger,
  derOid,
  derSequence,
  derTime,
  readChildren,
  readDer,
} from './der.ts';
import { decodeSubject, encodeAltNames, encodeSubject, type AltNames, type Subject } from './x509-name.ts';

export type { AltNames, Subject } from './x509-name.ts';

/** A certificate and its private key, both PEM. */
export interface KeyPair {
  certPem: string;
  keyPem: string;
}

/** What a certificate may be used for. */
export type CertificateUsage = 'server' | 'client';

export interface CertificateRequest extends AltNames {
  subject: Subject;
  usages: readonly CertificateUsage[];
  /** Milliseconds since the epoch. */
  notBeforeMs: number;
  notAfterMs: number;
}

const OID = {
  ecdsaSha256: '1.2.840.10045.4.3.2',
  rsaSha256: '1.2.840.113549.1.1.11',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  altNames: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

/** Clocks of machines differ a little: certificates are good from five minutes before they were made. */
export const BACKDATE_MS = 300_000;
export const DAY_MS = 86_400_000;

/** A new ECDSA P-256 key, PKCS #8 PEM. */
export function generateKeyPem(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** A self-signed authority, by default for ten years. */
export function createAuthority(commonName: string, nowMs: number, lifetimeMs = 3650 * DAY_MS): KeyPair {
  const keyPem = generateKeyPem();
  const key = createPrivateKey(keyPem);
  const publicKey = createPublicKey(key);
  const name = encodeSubject({ commonName });
  const extensions = [
    // digitalSignature, keyEncipherment, keyCertSign
    extension(OID.keyUsage, derBitString(Buffer.of(0b1010_0100), 2), true),
    extension(OID.basicConstraints, derSequence(der(TAG.boolean, Buffer.of(0xff))), true),
    extension(OID.subjectKeyId, der(TAG.octetString, keyId(publicKey))),
    extension(OID.altNames, encodeAltNames({ dnsNames: [commonName] })),
  ];
  const body = {
    issuer: name,
    subject: name,
    publicKey,
    extensions,
    notBeforeMs: nowMs - BACKDATE_MS,
    notAfterMs: nowMs + lifetimeMs,
  };
  return { certPem: signCertificate(body, key), keyPem };
}

/** A new key and a certificate for it, signed by `authority`. */
export function issueKeyPair(authority: KeyPair, request: CertificateRequest): KeyPair {
  const keyPem = generateKeyPem();
  return { certPem: issueCertificate(authority, createPublicKey(keyPem), request), keyPem };
}

/**
 * A certificate for somebody else's key.
 * @returns PEM
 * @throws Error when the authority's certificate and key do not belong together
 */
export function issueCertificate(authority: KeyPair, publicKey: KeyObject, request: CertificateRequest): string {
  const ca = new X509Certificate(authority.certPem);
  const caKey = createPrivateKey(authority.keyPem);
  if (!ca.checkPrivateKey(caKey))
    throw new Error(`The key of authority "${ca.subject}" does not belong to its certificate`);
  const usages = request.usages.map(usage => derOid(usage === 'server' ? OID.serverAuth : OID.clientAuth));
  const extensions = [
    // digitalSignature, and keyEncipherment, which only RSA keys can do
    publicKey.asymmetricKeyType === 'rsa'
      ? extension(OID.keyUsage, derBitString(Buffer.of(0b1010_0000), 5), true)
      : extension(OID.keyUsage, derBitString(Buffer.of(0b1000_0000), 7), true),
    extension(OID.extKeyUsage, derSequence(...usages)),
    extension(OID.basicConstraints, derSequence(), true),
    extension(OID.authorityKeyId, derSequence(der(0x80, keyId(ca.publicKey)))),
  ];
  if ((request.dnsNames?.length ?? 0) + (request.ipAddresses?.length ?? 0) > 0) {
    extensions.push(extension(OID.altNames, encodeAltNames(request)));
  }
  const { notBeforeMs } = request;
  // A certificate cannot outlive its authority.
  const notAfterMs = Math.min(request.notAfterMs, Date.parse(ca.validTo));
  const subject = encodeSubject(request.subject);
  return signCertificate({ issuer: subjectBytes(ca), subject, publicKey, extensions, notBeforeMs, notAfterMs }, caKey);
}

/** `sha256:<hex>` of the authority's public key: what `join --token` pins. Source: kubeadm's discovery-token-ca-cert-hash. */
export function authorityHash(certPem: string): string {
  const spki = new X509Certificate(certPem).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(spki).digest('hex')}`;
}

interface CertificateBody {
  issuer: Buffer;
  subject: Buffer;
  publicKey: KeyObject;
  extensions: readonly Buffer[];
  notBeforeMs: number;
  notAfterMs: number;
}

function signCertificate(body: CertificateBody, key: KeyObject): string {
  const algorithm = signatureAlgorithm(key);
  const serial = randomBytes(16);
  // Positive, and never shorter than it looks.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const tbs = derSequence(
    derExplicit(0, derInteger(Buffer.of(2))),
    derInteger(serial),
    algorithm,
    body.issuer,
    derSequence(derTime(body.notBeforeMs), derTime(body.notAfterMs)),
    body.subject,
    body.publicKey.export({ type: 'spki', format: 'der' }),
    derExplicit(3, derSequence(...body.extensions)),
  );
  return toPem('CERTIFICATE', derSequence(tbs, algorithm, derBitString(sign('sha256', tbs, key))));
}

/** The AlgorithmIdentifier of a signature by `key`. */
export function signatureAlgorithm(key: KeyObject): Buffer {
  if (key.asymmetricKeyType === 'ec') return derSequence(derOid(OID.ecdsaSha256));
  if (key.asymmetricKeyType === 'rsa') return derSequence(derOid(OID.rsaSha256), der(TAG.null));
  throw new Error(`Cannot sign with a key of type ${key.asymmetricKeyType ?? 'unknown'}; use ECDSA or RSA`);
}

/** Bytes as PEM. */
export function toPem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** The bytes of the first PEM block with `label`; undefined if there is none. */
export function fromPem(label: string, pem: string): Buffer | undefined {
  const match = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`).exec(pem);
  return match === null ? undefined : Buffer.from(match[1] ?? '', 'base64');
}

function extension(oid: string, value: Buffer, critical = false): Buffer {
  const flag = critical ? [der(TAG.boolean, Buffer.of(0xff))] : [];
  return derSequence(derOid(oid), ...flag, der(TAG.octetString, value));
}

function keyId(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
}

/** Who a certificate is for. */
export function certificateSubject(certificate: X509Certificate): Subject & { organizations: string[] } {
  return decodeSubject(readDer(subjectBytes(certificate)));
}

/** The subject of a certificate as it stands there, byte for byte: an issuer must match it exactly. */
function subjectBytes(certificate: X509Certificate): Buffer {
  const tbs = readChildren(readDer(certificate.raw))[0];
  // version, serial, algorithm, issuer, validity, subject
  const subject = tbs === undefined ? undefined : readChildren(tbs)[5];
  if (subject === undefined) throw new Error('malformed certificate');
  return subject.whole;
}
