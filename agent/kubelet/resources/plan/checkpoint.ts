/**
 * What is given to whom, as files that a restart reads: JSON of upstream's form, so that tools find in it what they look for.
 * Source: `pkg/kubelet/cm/cpumanager/state`, `memorymanager/state`, `devicemanager/checkpoint` 1.36.
 *
 * Differs: the checksum is FNV-1a over the JSON without it; upstream's is over Go's own notation of its structures.
 */
import { Buffer } from 'node:buffer';

/** The file cannot be used: it was cut off, or changed by hand. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

/** @param field the checksum's: `checksum`, `Checksum` */
export function sealCheckpoint(body: Readonly<Record<string, unknown>>, field: string): string {
  return JSON.stringify({ ...body, [field]: fnv1a(JSON.stringify(body)) });
}

/** @throws CheckpointError */
export function openCheckpoint(text: string, field: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new CheckpointError('it is no JSON', { cause: error });
  }
  if (!isRecord(parsed)) throw new CheckpointError('it is no JSON object');
  const { [field]: sum, ...body } = parsed;
  if (sum !== fnv1a(JSON.stringify(body)))
    throw new CheckpointError('its checksum does not fit: checkpoint is corrupted');
  return body;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** FNV-1a, 32 bits. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
