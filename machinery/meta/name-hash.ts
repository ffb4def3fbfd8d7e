/**
 * The short safe words that Kubernetes puts behind names: random suffixes and template hashes.
 * Vowels and look-alikes are missing from the alphabet so that no word forms. Source: apimachinery `util/rand`.
 */
import { randomBytes } from 'node:crypto';
import { canonicalJson } from './json-value.ts';

const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** `length` random characters for a generated name. */
export function randomSuffix(length = 5): string {
  let suffix = '';
  while (suffix.length < length) {
    for (const byte of randomBytes(length * 2)) {
      // 243 is 9 * 27: bytes above would favour the first letters.
      if (byte < 243 && suffix.length < length) suffix += ALPHABET[byte % 27];
    }
  }
  return suffix;
}

/** Five characters that look as random ones do and always are the same for the same `text`: who repeats a creation repeats its name. */
export function fixedSuffix(text: string): string {
  let suffix = '';
  for (let rest = fnv32a(text); suffix.length < 5; rest = Math.floor(rest / 27)) suffix += ALPHABET[rest % 27];
  return suffix;
}

/** FNV-1a, 32 bit, of UTF-8 `text`. */
export function fnv32a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** `text` with every character replaced by one of the safe alphabet. */
export function safeEncode(text: string): string {
  let encoded = '';
  for (let i = 0; i < text.length; i++) encoded += ALPHABET[text.charCodeAt(i) % 27];
  return encoded;
}

/**
 * The `pod-template-hash` of a template: equal templates give equal words, whatever the order of their keys.
 * Differs: upstream hashes Go's dump of the struct, so the words differ from upstream's for the same template.
 */
export function templateHash(template: unknown, collisionCount?: number): string {
  const salt = collisionCount === undefined ? '' : `#${collisionCount}`;
  return safeEncode(String(fnv32a(canonicalJson(template) + salt)));
}
