/**
 * The logins in a docker config: `config.json` with `auths`, or the older `.dockercfg` that is such a table itself.
 * Source: kubernetes.io/docs, "Config.json"; `pkg/credentialprovider/config.go` 1.36.
 */
import { Buffer } from 'node:buffer';

/** One login, and for what. */
export interface RegistryLogin {
  /** Host, perhaps with globs and a port, perhaps with a path: see registry-match.ts. */
  readonly pattern: string;
  readonly username: string;
  readonly password: string;
  readonly email: string;
  readonly identityToken: string;
  readonly registryToken: string;
}

/** @returns undefined for what is no `config.json`, or has no `auths` */
export function parseDockerConfigJson(text: string): RegistryLogin[] | undefined {
  const auths = asRecord(parseJson(text))?.['auths'];
  return loginsOf(auths);
}

/** @returns undefined for what is no `.dockercfg` */
export function parseDockercfg(text: string): RegistryLogin[] | undefined {
  return loginsOf(parseJson(text));
}

/** The logins of a table from patterns to entries. */
export function loginsOf(auths: unknown): RegistryLogin[] | undefined {
  const table = asRecord(auths);
  if (table === undefined) return undefined;
  return Object.entries(table).flatMap(([key, value]) => {
    const entry = asRecord(value);
    return entry === undefined ? [] : [{ pattern: patternOf(key), ...loginOf(entry) }];
  });
}

/** `auth`, user and password in base64, wins over both in plain text. */
function loginOf(entry: Readonly<Record<string, unknown>>): Omit<RegistryLogin, 'pattern'> {
  const text = (key: string): string => (typeof entry[key] === 'string' ? entry[key] : '');
  const decoded = Buffer.from(text('auth'), 'base64').toString();
  const colon = decoded.indexOf(':');
  return {
    username: colon < 0 ? text('username') : decoded.slice(0, colon),
    password: colon < 0 ? text('password') : decoded.slice(colon + 1),
    email: text('email'),
    identityToken: text('identitytoken'),
    registryToken: text('registrytoken'),
  };
}

/** Keys may be URLs, and may begin their path with the version of a registry's API. */
function patternOf(key: string): string {
  const bare = key.replace(/^https?:\/\//, '');
  const slash = bare.indexOf('/');
  if (slash < 0) return bare;
  const path = bare.slice(slash).replace(/^\/v[12](?=\/|$)/, '');
  return path === '/' ? bare.slice(0, slash) : bare.slice(0, slash) + path;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
