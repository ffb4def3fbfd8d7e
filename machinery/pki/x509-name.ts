/**
 * The names inside certificates: the subject, of which Kubernetes uses common name (user) and organizations (groups), and the alternative
 * names of servers.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { TAG, der, derOid, derSequence, derSet, derString, readChildren, readOid, type DerNode } from './der.ts';

/** Who a certificate is for: the user is the common name, the groups are the organizations. */
export interface Subject {
  commonName: string;
  organizations?: readonly string[] | undefined;
}

/** Names and addresses that a server answers to. */
export interface AltNames {
  dnsNames?: readonly string[] | undefined;
  /** Plain IPv4 or IPv6 addresses. */
  ipAddresses?: readonly string[] | undefined;
}

const COMMON_NAME = '2.5.4.3';
const ORGANIZATION = '2.5.4.10';
const DNS_TAG = 0x82;
const IP_TAG = 0x87;

/** Organizations, then the common name, as Go writes them. */
export function encodeSubject(subject: Subject): Buffer {
  const attribute = (oid: string, text: string): Buffer => derSequence(derOid(oid), derString(text));
  const organizations = (subject.organizations ?? []).map(o => attribute(ORGANIZATION, o));
  const sets = organizations.length === 0 ? [] : [derSet(...organizations)];
  return derSequence(...sets, derSet(attribute(COMMON_NAME, subject.commonName)));
}

/** Reads an RDNSequence; attributes that Kubernetes does not use are left out. */
export function decodeSubject(node: DerNode): Subject & { organizations: string[] } {
  let commonName = '';
  const organizations: string[] = [];
  for (const set of readChildren(node)) {
    for (const attribute of readChildren(set)) {
      const [oid, value] = readChildren(attribute);
      if (oid === undefined || value === undefined) throw new Error('malformed name in certificate request');
      const name = readOid(oid);
      if (name === COMMON_NAME) commonName = value.content.toString('utf8');
      else if (name === ORGANIZATION) organizations.push(value.content.toString('utf8'));
    }
  }
  return { commonName, organizations };
}

/** The GeneralNames of a subjectAltName extension. */
export function encodeAltNames(names: AltNames): Buffer {
  const dns = (names.dnsNames ?? []).map(name => der(DNS_TAG, Buffer.from(name, 'ascii')));
  const ips = (names.ipAddresses ?? []).map(address => der(IP_TAG, addressBytes(address)));
  return derSequence(...dns, ...ips);
}

/** Reads GeneralNames. `others` tells that there were names which are neither DNS names nor addresses (mail, URI). */
export function decodeAltNames(node: DerNode): { dnsNames: string[]; ipAddresses: string[]; others: boolean } {
  const names = { dnsNames: [] as string[], ipAddresses: [] as string[], others: false };
  for (const name of readChildren(node)) {
    if (name.tag === DNS_TAG) names.dnsNames.push(name.content.toString('ascii'));
    else if (name.tag === IP_TAG) names.ipAddresses.push(addressText(name.content));
    else names.others = true;
  }
  return names;
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  if (!isIPv6(address) || address.includes('%')) throw new Error(`"${address}" is no IP address`);
  // The URL parser writes every IPv6 address in hexadecimal groups with one `::`.
  const [left = '', right] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map(g => parseInt(g, 16)));
  const head = groups(left);
  const tail = right === undefined ? [] : groups(right);
  const words = [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  return Buffer.from(words.flatMap(word => [word >> 8, word & 0xff]));
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join('.');
  if (bytes.length !== 16) throw new Error('malformed address in certificate');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/** Whether `node` is a SEQUENCE. */
export function isSequence(node: DerNode | undefined): node is DerNode {
  return node?.tag === TAG.sequence;
}
