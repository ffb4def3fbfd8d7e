/**
 * The shapes of names. Each check returns upstream's messages, none if the value is good.
 * Source: apimachinery `util/validation` and `api/validate/content`, 1.36.
 */

/** The messages for one value; empty means valid. */
export type Problems = string[];

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const LABEL_VALUE = `(${QUALIFIED})?`;
const DNS1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';

const labelRe = new RegExp(`^${LABEL}$`);
const subdomainRe = new RegExp(`^${SUBDOMAIN}$`);
const qualifiedRe = new RegExp(`^${QUALIFIED}$`);
const labelValueRe = new RegExp(`^${LABEL_VALUE}$`);
const dns1035Re = new RegExp(`^${DNS1035}$`);

/** `must be no more than 63 bytes`. */
export function maxLengthProblem(max: number): string {
  return `must be no more than ${max} bytes`;
}

/** `must be between 1 and 65535, inclusive`. */
export function rangeProblem(low: number, high: number): string {
  return `must be between ${low} and ${high}, inclusive`;
}

/** A message with the pattern and its examples, as upstream words it. */
export function regexProblem(message: string, pattern: string, ...examples: readonly string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${pattern}')`;
  // Upstream leaves two spaces before "or"; people and scripts know the line that way.
  const shown = examples.map(example => `'${example}', `).join(' or ');
  return `${message} (e.g. ${shown}regex used for validation is '${pattern}')`;
}

/** A DNS label of RFC 1123: `my-name`, at most 63 bytes. */
export function dns1123Label(value: string): Problems {
  if (value.length <= 63 && labelRe.test(value)) return [];
  const problems = tooLong(value, 63);
  if (labelRe.test(value)) return problems;
  if (subdomainRe.test(value)) problems.push('must not contain dots');
  else {
    const text =
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
    problems.push(regexProblem(text, LABEL, 'my-name', '123-abc'));
  }
  return problems;
}

/** A DNS subdomain of RFC 1123: `example.com`, at most 253 bytes. */
export function dns1123Subdomain(value: string): Problems {
  const problems = tooLong(value, 253);
  if (!subdomainRe.test(value)) {
    const text =
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
    problems.push(regexProblem(text, SUBDOMAIN, 'example.com'));
  }
  return problems;
}

/** A DNS label of RFC 1035, which starts with a letter. */
export function dns1035Label(value: string): Problems {
  const problems = tooLong(value, 63);
  if (!dns1035Re.test(value)) {
    const text =
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
    problems.push(regexProblem(text, DNS1035, 'my-name', 'abc-123'));
  }
  return problems;
}

/** A subdomain whose first label may be `*`. */
export function wildcardSubdomain(value: string): Problems {
  const problems = tooLong(value, 253);
  if (!value.startsWith('*.') || !subdomainRe.test(value.slice(2))) {
    const text =
      "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
    problems.push(regexProblem(text, `\\*\\.${SUBDOMAIN}`, '*.example.com'));
  }
  return problems;
}

/** A label key, annotation key or resource name: `example.com/MyName`. */
export function qualifiedName(value: string): Problems {
  const slash = value.indexOf('/');
  const name = value.slice(slash + 1);
  if (slash < 0 && value.length <= 63 && qualifiedRe.test(value)) return [];
  const problems: Problems = [];
  const text =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  if (name.includes('/')) {
    const shape = regexProblem(text, QUALIFIED, 'MyName', 'my.name', '123-abc');
    return [`a qualified name ${shape} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  if (slash >= 0) {
    const prefix = value.slice(0, slash);
    if (prefix === '') problems.push('prefix part must be non-empty');
    else for (const problem of dns1123Subdomain(prefix)) problems.push(`prefix part ${problem}`);
  }
  if (name === '') problems.push('name part must be non-empty');
  else if (byteLength(name) > 63) problems.push(`name part ${maxLengthProblem(63)}`);
  if (!qualifiedRe.test(name))
    problems.push(`name part ${regexProblem(text, QUALIFIED, 'MyName', 'my.name', '123-abc')}`);
  return problems;
}

/** A label's value: empty, or at most 63 letters, digits, `-`, `_`, `.`. */
export function labelValue(value: string): Problems {
  if (value.length <= 63 && labelValueRe.test(value)) return [];
  const problems = tooLong(value, 63);
  if (!labelValueRe.test(value)) {
    const text =
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    problems.push(regexProblem(text, LABEL_VALUE, 'MyValue', 'my_value', '12345'));
  }
  return problems;
}

function tooLong(value: string, max: number): Problems {
  return byteLength(value) > max ? [maxLengthProblem(max)] : [];
}

function byteLength(value: string): number {
  return Buffer.byteLength(value, 'utf8');
}
