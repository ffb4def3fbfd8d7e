/**
 * Which credentials of a pod's imagePullSecrets fit an image.
 * Source: kubernetes.io/docs, "Pull an Image from a Private Registry"; `pkg/credentialprovider/keyring.go` 1.36.
 */
import { Buffer } from 'node:buffer';
import type { Secret } from '../../../proto/api/core-v1.ts';

/** One way to log in. */
export interface ImageCredential {
  readonly username: string;
  readonly password: string;
  readonly identityToken: string;
  readonly registryToken: string;
  /**
   * Always empty: the key that fitted the image has decided already. containerd takes it for a URL, fails on "host:5000", and would hold
   * the credentials back from mirrors.
   */
  readonly serverAddress: '';
}

interface Entry {
  readonly pattern: string;
  readonly credential: ImageCredential;
}

/** Credentials for `domain/path`, those with the longest matching key first; secrets that cannot be read give none. */
export function credentialsFor(domain: string, path: string, secrets: readonly Secret[]): ImageCredential[] {
  const matching = secrets.flatMap(entriesOf).filter(({ pattern }) => matches(pattern, domain, path));
  matching.sort((a, b) => b.pattern.length - a.pattern.length);
  return matching.map(({ credential }) => credential);
}

function entriesOf(secret: Secret): Entry[] {
  const { data = {} } = secret;
  const config = data['.dockerconfigjson'];
  const legacy = data['.dockercfg'];
  const encoded = config ?? legacy;
  if (encoded === undefined) return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(encoded, 'base64').toString());
  } catch {
    return [];
  }
  const auths = config === undefined ? parsed : asRecord(parsed)['auths'];
  return Object.entries(asRecord(auths)).map(([key, value]) => ({
    pattern: patternOf(key),
    credential: credentialOf(asRecord(value)),
  }));
}

function credentialOf(entry: Record<string, unknown>): ImageCredential {
  const text = (key: string): string => (typeof entry[key] === 'string' ? (entry[key] as string) : '');
  const decoded = Buffer.from(text('auth'), 'base64').toString();
  const colon = decoded.indexOf(':');
  const [authUser, authPassword] = colon < 0 ? ['', ''] : [decoded.slice(0, colon), decoded.slice(colon + 1)];
  return {
    username: text('username') === '' ? authUser : text('username'),
    password: text('password') === '' ? authPassword : text('password'),
    identityToken: text('identitytoken'),
    registryToken: text('registrytoken'),
    serverAddress: '',
  };
}

/** Keys may be URLs, and may end in the paths of old registry APIs. */
function patternOf(key: string): string {
  const bare = key
    .replace(/^https?:\/\//, '')
    .replace(/\/$/, '')
    .replace(/\/v[12]$/, '');
  return bare === 'index.docker.io' || bare === 'registry-1.docker.io' ? 'docker.io' : bare;
}

/** Host parts match one by one, `*` within a part; then the path must begin with the pattern's. */
function matches(pattern: string, domain: string, path: string): boolean {
  const slash = pattern.indexOf('/');
  const host = slash < 0 ? pattern : pattern.slice(0, slash);
  const prefix = slash < 0 ? '' : pattern.slice(slash + 1);
  if (prefix !== '' && path !== prefix && !path.startsWith(`${prefix}/`)) return false;
  const [hostName = '', hostPort] = host.split(':');
  const [domainName = '', domainPort] = domain.split(':');
  if (hostPort !== domainPort) return false;
  const globs = hostName.split('.');
  const parts = domainName.split('.');
  return globs.length === parts.length && globs.every((glob, index) => globMatches(glob, parts[index] ?? ''));
}

function globMatches(glob: string, text: string): boolean {
  if (!glob.includes('*')) return glob === text;
  const escaped = glob.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('.*')}$`).test(text);
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
