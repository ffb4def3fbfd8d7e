/**
 * The shapes of values that are not names of objects: ports, variables, keys, addresses. Each check returns upstream's
 * messages, none if the value is good. Source: apimachinery `util/validation`, 1.36.
 */
import { dns1123Subdomain, maxLengthProblem, rangeProblem, regexProblem, type Problems } from './names.ts';

const HTTP_PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/** The name of a port: at most 15 of a-z, 0-9 and single inner hyphens, with a letter. */
export function portName(value: string): Problems {
  const problems: Problems = value.length > 15 ? [maxLengthProblem(15)] : [];
  if (!/^[-a-z0-9]+$/.test(value))
    problems.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(value)) problems.push('must contain at least one letter (a-z)');
  if (value.includes('--')) problems.push('must not contain consecutive hyphens');
  if (/^-|-$/.test(value)) problems.push('must not begin or end with a hyphen');
  return problems;
}

/** A port number, 1 to 65535. */
export function portNumber(value: number): Problems {
  return inRange(value, 1, 65535);
}

/** Whether `value` is an integer between `low` and `high`. */
export function inRange(value: number, low: number, high: number): Problems {
  return Number.isInteger(value) && value >= low && value <= high ? [] : [rangeProblem(low, high)];
}

/** A user or group id. */
export function unixId(value: number): Problems {
  return inRange(value, 0, 2147483647);
}

/** A C identifier. */
export function cIdentifier(value: string): Problems {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(value)) return [];
  const text =
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'";
  return [regexProblem(text, '[A-Za-z_][A-Za-z0-9_]*', 'my_name', 'MY_NAME', 'MyName')];
}

/** The name of an environment variable: printable ASCII but `=`. */
export function envVarName(value: string): Problems {
  if (/^[ -<>-~]+$/.test(value)) return [];
  const text = "a valid environment variable name must consist only of printable ASCII characters other than '='";
  return [regexProblem(text, '^[ -<>-~]+$')];
}

/** A key of a ConfigMap or Secret. */
export function configMapKey(value: string): Problems {
  const problems: Problems = value.length > 253 ? [maxLengthProblem(253)] : [];
  if (!/^[-._a-zA-Z0-9]+$/.test(value)) {
    const text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    problems.push(regexProblem(text, '[-._a-zA-Z0-9]+', 'key.name', 'KEY_NAME', 'key-name'));
  }
  if (value === '.' || value === '..') problems.push(`must not be '${value}'`);
  else if (value.startsWith('..')) problems.push("must not start with '..'");
  return problems;
}

/** The name of an HTTP header. */
export function httpHeaderName(value: string): Problems {
  if (/^[-A-Za-z0-9]+$/.test(value)) return [];
  const text = "a valid HTTP header must consist of alphanumeric characters or '-'";
  return [regexProblem(text, '[-A-Za-z0-9]+', 'X-Header-Name')];
}

/** A domain and a path: `example.com/path`. */
export function domainPrefixedPath(value: string): Problems {
  const slash = value.indexOf('/');
  const path = value.slice(slash + 1);
  if (slash <= 0 || path === '') return ['must be a domain-prefixed path (such as "acme.io/foo")'];
  const problems = dns1123Subdomain(value.slice(0, slash)).map(problem => `prefix part ${problem}`);
  if (!/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(path)) problems.push(regexProblem('Invalid path', HTTP_PATH));
  return problems;
}

/** A domain of at least three labels: `a.example.com`. */
export function fullyQualifiedName(value: string): Problems {
  const problems = dns1123Subdomain(value);
  if (problems.length === 0 && value.split('.').length < 3) {
    problems.push('should be a domain with at least three segments separated by dots');
  }
  return problems;
}

/** `93%`. */
export function percent(value: string): Problems {
  if (/^[0-9]+%$/.test(value)) return [];
  return [
    regexProblem("a valid percent string must be a numeric string followed by an ending '%'", '[0-9]+%', '1%', '93%'),
  ];
}

/** An IPv4 or IPv6 address in plain form. */
export function ipAddress(value: string): Problems {
  return ipFamilyOf(value) === undefined ? ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'] : [];
}

/** A network such as `10.9.8.0/24`. */
export function cidr(value: string): Problems {
  const [address = '', bits = '', ...rest] = value.split('/');
  const family = ipFamilyOf(address);
  const good =
    family !== undefined &&
    rest.length === 0 &&
    /^(0|[1-9][0-9]{0,2})$/.test(bits) &&
    Number(bits) <= (family === 'IPv4' ? 32 : 128);
  return good ? [] : ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'];
}

/** The family of an address; undefined if it is none. No zones, no leading zeros. */
export function ipFamilyOf(value: string): 'IPv4' | 'IPv6' | undefined {
  if (IPV4.test(value)) return 'IPv4';
  return isIpv6(value) ? 'IPv6' : undefined;
}

function isIpv6(value: string): boolean {
  const halves = value.split('::');
  if (halves.length > 2 || value.length > 45) return false;
  const groups = halves.map(half => (half === '' ? [] : half.split(':')));
  const all = groups.flat();
  const last = all.at(-1);
  if (last === undefined) return value === '::';
  const dotted = last.includes('.');
  // A dotted tail counts for two groups and must really stand at the end.
  if (dotted && (!IPV4.test(last) || value.endsWith('::'))) return false;
  const hex = dotted ? all.slice(0, -1) : all;
  if (!hex.every(group => /^[0-9a-fA-F]{1,4}$/.test(group))) return false;
  const count = hex.length + (dotted ? 2 : 0);
  return halves.length === 2 ? count < 8 : count === 8;
}
