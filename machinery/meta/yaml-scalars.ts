/**
 * What plain text means in YAML, as Go's reader takes it: YAML 1.1 without dates and base 60. Tags for the `yaml` library, which
 * by itself reads `e1` and `.` as numbers and knows no `0o17`.
 *
 * Source: sigs.k8s.io/yaml, `goyaml.v2/resolve.go`.
 */
import type { ScalarTag } from 'yaml';

type OnError = (message: string) => void;

const CORE = 'tag:yaml.org,2002:';
const TRUE = /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE = /^(?:n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const INTEGER = /^[-+]?(?:0[bB][01_]+|0[oO][0-7_]+|0[xX][0-9a-fA-F_]+|[0-9][0-9_]*)$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?$/;
const MAX_UINT64 = 1n << 64n;
/** More digits than any finite double has. */
const MAX_DIGITS = 308;
const NO_JSON = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

/** The scalar tags; the first whose pattern fits a plain text decides, and what fits none is text. */
export const goScalars: ScalarTag[] = [
  scalar('null', /^(?:~|null|Null|NULL)?$/, () => null),
  scalar('bool', TRUE, () => true),
  scalar('bool', FALSE, () => false),
  scalar('int', INTEGER, integer),
  scalar('float', FLOAT, float),
  scalar('float', NO_JSON, (text, onError) => onError(`json: unsupported value: ${text}`)),
  named('int', (text, onError) =>
    INTEGER.test(text) ? integer(text, onError) : onError(`cannot decode \`${text}\` as a !!int`),
  ),
  named('float', (text, onError) =>
    FLOAT.test(text) ? float(text) : onError(`cannot decode \`${text}\` as a !!float`),
  ),
  named('timestamp', text => text),
  named('binary', binary),
];

function scalar(name: string, test: RegExp, resolve: (text: string, onError: OnError) => unknown): ScalarTag {
  return { tag: CORE + name, default: true, test, resolve };
}

/** A tag that counts only where the text names it. */
function named(name: string, resolve: (text: string, onError: OnError) => unknown): ScalarTag {
  return { tag: CORE + name, default: false, resolve };
}

function integer(text: string, onError: OnError): unknown {
  const digits = text.replaceAll('_', '');
  const negative = digits.startsWith('-');
  const plain = digits.replace(/^[-+]/, '');
  // A leading zero makes an octal number, unless the digits say otherwise.
  const octal = /^0[0-7]+$/.test(plain);
  if (/^0[bBoOxX]$/.test(plain) || plain.length > MAX_DIGITS) return text;
  const decimal = /^[0-9]+$/.test(plain);
  const exact = octal ? BigInt(`0o${plain.slice(1)}`) : decimal ? BigInt(plain) : BigInt(plain.toLowerCase());
  const value = Number(exact) * (negative ? -1 : 1);
  // What no integer of Go's can hold is a float there too.
  if (exact < MAX_UINT64 && BigInt(Math.abs(value)) !== exact)
    onError(`the number ${text} cannot be kept exactly: integers end at 2^53`);
  return value === 0 ? 0 : value;
}

function float(text: string): unknown {
  const value = Number(text.replaceAll('_', ''));
  // Go cannot hold it either, and takes it for text.
  return Number.isFinite(value) ? value : text;
}

function binary(text: string, onError: OnError): unknown {
  const compact = text.replaceAll(/[\r\n ]/g, '');
  if (compact.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(compact))
    return Buffer.from(compact, 'base64').toString();
  onError('!!binary value contains invalid base64 data');
  return text;
}
