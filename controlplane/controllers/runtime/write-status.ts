/** Writes a status; that the object is gone is fine. */
import type { Client } from '../../../machinery/client/client.ts';
import type { AnyObject, Resource } from '../../../machinery/client/resource.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';

/** @returns false if the object is gone @throws StatusError, Conflict among them */
export async function writeStatus<T extends AnyObject>(
  client: Client,
  resource: Resource<T>,
  object: T,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await client.of(resource).updateStatus(object, { signal });
    return true;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return false;
  }
}
