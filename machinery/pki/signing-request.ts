/**
 * Certificate signing requests (PKCS #10): nodes make them, the cluster signs them. Source: RFC 2986.
 */
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { fromPem, signatureAlgorithm, toPem } from './certificate.ts';
import {
  TAG,
  der,
  derBitString,
  derExplicit,
  derInteger,
  derOid,
  derSequence,
  derSet,
  readChildren,
  readDer,
  readOid,
  type DerNode,
} from './der.ts';
import {
  decodeAltNames,
  decodeSubject,
  encodeAltNames,
  encodeSubject,
  isSequence,
  type AltNames,
  type Subject,
} from './x509-name.ts';

/** What a request asks for. */
export interface SigningRequest {
  subject: Subject & { organizations: string[] };
  dnsNames: string[];
  ipAddresses: string[];
  /** Names were asked for that are neither DNS names nor addresses; signers of Kubernetes refuse those. */
  hasOtherNames: boolean;
  publicKey: KeyObject;
}

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const ALT_NAMES = '2.5.29.17';
/** Signature algorithm to digest; others are refused. */
const DIGESTS: ReadonlyMap<string, string> = new Map([
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
]);

/** A request for the key `keyPem`, PEM. */
export function createSigningRequest(keyPem: string, subject: Subject, altNames: AltNames = {}): string {
  const key = createPrivateKey(keyPem);
  const asked = (altNames.dnsNames?.length ?? 0) + (altNames.ipAddresses?.length ?? 0) > 0;
  const extension = derSequence(derOid(ALT_NAMES), der(TAG.octetString, encodeAltNames(altNames)));
  const attributes = asked ? [derSequence(derOid(EXTENSION_REQUEST), derSet(derSequence(extension)))] : [];
  const info = derSequence(
    derInteger(Buffer.of(0)),
    encodeSubject(subject),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    derExplicit(0, ...attributes),
  );
  const request = derSequence(info, signatureAlgorithm(key), derBitString(sign('sha256', info, key)));
  return toPem('CERTIFICATE REQUEST', request);
}

/**
 * Reads a request and checks that whoever made it holds the key.
 * @throws Error when it is malformed or its signature is wrong
 */
export function parseSigningRequest(pem: string): SigningRequest {
  const bytes = fromPem('CERTIFICATE REQUEST', pem);
  if (bytes === undefined) throw new Error('PEM block type must be CERTIFICATE REQUEST');
  const request = readDer(bytes);
  if (!isSequence(request) || request.whole.length !== bytes.length) throw malformed();
  const [info, algorithm, signature] = readChildren(request);
  if (!isSequence(info) || !isSequence(algorithm) || signature?.tag !== TAG.bitString) throw malformed();
  if (signature.content[0] !== 0) throw malformed();
  const [, name, spki, ...attributes] = readChildren(info);
  if (!isSequence(name) || !isSequence(spki)) throw malformed();
  const publicKey = createPublicKey({ key: spki.whole, format: 'der', type: 'spki' });
  const oid = readChildren(algorithm)[0];
  const digest = oid === undefined ? undefined : DIGESTS.get(readOid(oid));
  if (digest === undefined) throw new Error('certificate request is signed with an algorithm that is not allowed');
  if (!verify(digest, info.whole, publicKey, signature.content.subarray(1))) {
    throw new Error('certificate request has a wrong signature');
  }
  const names = requestedNames(attributes);
  return {
    subject: decodeSubject(name),
    dnsNames: names?.dnsNames ?? [],
    ipAddresses: names?.ipAddresses ?? [],
    hasOtherNames: names?.others ?? false,
    publicKey,
  };
}

function requestedNames(attributes: readonly DerNode[]): ReturnType<typeof decodeAltNames> | undefined {
  for (const attribute of attributes.flatMap(readChildren)) {
    const [oid, values] = readChildren(attribute);
    if (oid === undefined || values === undefined || readOid(oid) !== EXTENSION_REQUEST) continue;
    for (const extension of readChildren(values).flatMap(readChildren)) {
      const parts = readChildren(extension);
      const value = parts.at(-1);
      if (parts[0] === undefined || value === undefined || readOid(parts[0]) !== ALT_NAMES) continue;
      return decodeAltNames(readDer(value.content));
    }
  }
  return undefined;
}

function malformed(): Error {
  return new Error('malformed certificate request');
}
