/** Reads the Secrets that a volume's CSI calls get. */
import { Buffer } from 'node:buffer';
import { secrets } from '../../../../machinery/client/resource.ts';
import type { SecretReference } from '../../../../proto/api/core-v1.ts';
import type { PodObjects } from '../../objects/pod-objects.ts';

/** @throws Error when there is no such Secret */
export async function secretValues(
  objects: PodObjects,
  ref: SecretReference | undefined,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  if (ref === undefined) return {};
  const { namespace = '', name = '' } = ref;
  const secret = await objects.get(secrets, namespace, name, signal);
  if (secret === undefined) throw new Error(`secret "${namespace}/${name}" of the CSI volume not found`);
  const values = Object.entries(secret.data ?? {});
  return Object.fromEntries(values.map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
}
