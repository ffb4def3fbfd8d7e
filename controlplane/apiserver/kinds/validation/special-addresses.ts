/**
 * Rules about addresses that several kinds share. Source: Kubernetes `pkg/apis/core/validation`, 1.36.
 */
import ipaddr from 'ipaddr.js';
import { invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { ipAddress } from '../../../../machinery/meta/value-shapes.ts';

/** Addresses that mean something on one machine or link alone. */
export function checkNonSpecialIP(errors: FieldError[], path: FieldPath, ip: string): void {
  if (ipAddress(ip).length > 0) {
    errors.push(invalidError(path, ip, 'must be a valid IP address'));
    return;
  }
  const why = specialRange(ip);
  if (why !== undefined) errors.push(invalidError(path, ip, why));
}

function specialRange(ip: string): string | undefined {
  const parsed = ipaddr.process(ip);
  const bytes = parsed.toByteArray();
  if (bytes.every(byte => byte === 0)) return `may not be unspecified (${ip})`;
  const range = parsed.range();
  if (range === 'loopback') return 'may not be in the loopback range (127.0.0.0/8, ::1/128)';
  if (range === 'linkLocal') return 'may not be in the link-local range (169.254.0.0/16, fe80::/10)';
  const linkMulticast =
    parsed.kind() === 'ipv4'
      ? bytes[0] === 224 && bytes[1] === 0 && bytes[2] === 0
      : bytes[0] === 0xff && ((bytes[1] ?? 0) & 0x0f) === 2;
  return linkMulticast ? 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)' : undefined;
}
