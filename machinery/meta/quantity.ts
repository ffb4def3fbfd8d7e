/**
 * Quantities of resources: `100m`, `1.5Gi`, `12e6`; exact, in billionths.
 *
 * - A Quantity is immutable. Equal amounts may differ in format; `compare()` looks at the amount alone.
 * - Smaller parts than 1n round up, away from zero; amounts are capped at 2^63-1.
 * - `toString()` is the canonical form: no fraction, the largest suffix that loses nothing.
 *
 * Source: apimachinery `api/resource/quantity.go`, 1.36.
 */

/** Which family of suffixes an amount is written with. */
export type QuantityFormat = 'BinarySI' | 'DecimalSI' | 'DecimalExponent';

const NANO = 1_000_000_000n;
const MAX = ((1n << 63n) - 1n) * NANO;
const SYNTAX = /^([+-]?)([0-9]*)(?:\.([0-9]*))?([KMGTPE]i|[numkMGTPE]?|[eE][+-]?[0-9]+)$/;
const DECIMAL: ReadonlyMap<string, number> = new Map([
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['', 0],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
]);
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const SUFFIX_OF = new Map([...DECIMAL].map(([suffix, exponent]) => [exponent, suffix]));

/** The text is no quantity. The message is upstream's. */
export class QuantityError extends Error {
  constructor(text: string) {
    const pattern = "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    super(text === '' ? 'quantities must be specified' : `quantities must match the regular expression ${pattern}`);
    this.name = 'QuantityError';
  }
}

/** An exact amount. */
export class Quantity {
  static readonly zero: Quantity = new Quantity(0n, 'DecimalSI');

  /** The amount in billionths. */
  readonly nanos: bigint;
  readonly format: QuantityFormat;

  constructor(nanos: bigint, format: QuantityFormat) {
    this.nanos = nanos;
    this.format = format;
  }

  /** `count` whole units; `count` must be an integer. */
  static of(count: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
    return new Quantity(BigInt(count) * NANO, format);
  }

  /** `count` thousandths; `count` must be an integer. */
  static ofMilli(count: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
    return new Quantity(BigInt(count) * 1_000_000n, format);
  }

  add(other: Quantity): Quantity {
    return new Quantity(this.nanos + other.nanos, this.nanos === 0n ? other.format : this.format);
  }

  sub(other: Quantity): Quantity {
    return new Quantity(this.nanos - other.nanos, this.nanos === 0n ? other.format : this.format);
  }

  neg(): Quantity {
    return new Quantity(-this.nanos, this.format);
  }

  /** Negative, zero or positive as this is less than, equal to or more than `other`. */
  compare(other: Quantity): number {
    return this.nanos < other.nanos ? -1 : this.nanos > other.nanos ? 1 : 0;
  }

  equals(other: Quantity): boolean {
    return this.nanos === other.nanos;
  }

  isZero(): boolean {
    return this.nanos === 0n;
  }

  /** -1, 0 or 1. */
  sign(): number {
    return this.nanos < 0n ? -1 : this.nanos > 0n ? 1 : 0;
  }

  /** Whole units, rounded up away from zero; exact up to 2^53. */
  value(): number {
    return Number(divideUp(this.nanos, NANO));
  }

  /** Thousandths, rounded up away from zero. */
  milliValue(): number {
    return Number(divideUp(this.nanos, 1_000_000n));
  }

  /** The nearest double, with its fraction. */
  toNumber(): number {
    return Number(this.nanos / NANO) + Number(this.nanos % NANO) / 1e9;
  }

  toString(): string {
    if (this.nanos === 0n) return '0';
    const small = this.nanos > -1024n * NANO && this.nanos < 1024n * NANO;
    return this.format === 'BinarySI' && !small ? this.#binary() : this.#decimal();
  }

  /** The canonical form, so that JSON.stringify() writes a quantity as the API does. */
  toJSON(): string {
    return this.toString();
  }

  #binary(): string {
    let mantissa = divideUp(this.nanos, NANO);
    let power = 0;
    while (power < 6 && mantissa % 1024n === 0n) {
      mantissa /= 1024n;
      power++;
    }
    return `${mantissa}${BINARY[power]}`;
  }

  #decimal(): string {
    let mantissa = this.nanos;
    let exponent = -9;
    while (exponent < 18 && mantissa % 1000n === 0n) {
      mantissa /= 1000n;
      exponent += 3;
    }
    if (this.format !== 'DecimalExponent') return `${mantissa}${SUFFIX_OF.get(exponent) ?? ''}`;
    return exponent === 0 ? String(mantissa) : `${mantissa}e${exponent}`;
  }
}

/** @throws QuantityError when `text` is no quantity */
export function parseQuantity(text: string): Quantity {
  const quantity = tryParseQuantity(text);
  if (quantity === undefined) throw new QuantityError(text);
  return quantity;
}

/** The quantity, or undefined when `text` is none. */
export function tryParseQuantity(text: string): Quantity | undefined {
  const match = SYNTAX.exec(text);
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', suffix = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  const digits = BigInt(whole + fraction);
  const scale = scaleOf(suffix);
  if (scale === undefined) return undefined;
  const amount = capped(digits, scale.tens - fraction.length + 9, scale.binary);
  const nanos = sign === '-' ? -amount : amount;
  // A part of a byte has no binary suffix to be written with.
  const format = scale.format === 'BinarySI' && amount > 0n && amount < NANO ? 'DecimalSI' : scale.format;
  return new Quantity(nanos, format);
}

/** The canonical form of `text`, or undefined when it is no quantity; common short forms cost no arithmetic. */
export function canonicalQuantity(text: string): string | undefined {
  if (/^[1-9][0-9]{0,2}(?:[mkMGT]|[KMGT]i)?$/.test(text) || text === '0') return text;
  return tryParseQuantity(text)?.toString();
}

interface Scale {
  readonly tens: number;
  readonly binary: number;
  readonly format: QuantityFormat;
}

function scaleOf(suffix: string): Scale | undefined {
  const tens = DECIMAL.get(suffix);
  if (tens !== undefined) return { tens, binary: 0, format: 'DecimalSI' };
  const power = BINARY.indexOf(suffix);
  if (power > 0) return { tens: 0, binary: power, format: 'BinarySI' };
  const exponent = Number(suffix.slice(1));
  return Number.isSafeInteger(exponent) ? { tens: exponent, binary: 0, format: 'DecimalExponent' } : undefined;
}

/** digits * 10^tens * 1024^binary, rounded up, at most MAX; huge exponents are never computed. */
function capped(digits: bigint, tens: number, binary: number): bigint {
  if (digits === 0n) return 0n;
  const scaled = digits << BigInt(10 * binary);
  if (tens >= 0) {
    const amount = tens > 40 ? MAX : scaled * 10n ** BigInt(tens);
    return amount > MAX ? MAX : amount;
  }
  const amount = -tens > scaled.toString().length + 1 ? 1n : divideUp(scaled, 10n ** BigInt(-tens));
  return amount > MAX ? MAX : amount;
}

/** Division that rounds away from zero. */
function divideUp(value: bigint, by: bigint): bigint {
  const whole = value / by;
  if (value % by === 0n) return whole;
  return value < 0n ? whole - 1n : whole + 1n;
}
