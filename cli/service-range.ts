/** The service range's well-known addresses: the API server's is the first, DNS' the tenth. IPv4; the arithmetic is that of the range's host part. */
import { CliError, exitCodes } from './exit-codes.ts';

/** The `n`th address of a range: `nthAddress('10.96.0.0/16', 10)` is 10.96.0.10. */
export function nthAddress(cidr: string, n: number): string {
  const [base = '', bits = '0'] = cidr.split('/');
  const parts = base.split('.').map(Number);
  if (parts.length !== 4) throw new CliError(`"${cidr}" is no IPv4 range`, exitCodes.usage);
  if (n >= 2 ** (32 - Number(bits)))
    throw new CliError(`The range ${cidr} is too small: it has no address number ${n}`, exitCodes.usage);
  const sum = parts.reduce((value, part) => value * 256 + part, 0) + n;
  return [24, 16, 8, 0].map(shift => Math.floor(sum / 2 ** shift) % 256).join('.');
}
