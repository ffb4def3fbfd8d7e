/** Writes to objects that others may delete meanwhile: that one is gone is fine. */
import type { Client } from '../../../machinery/client/client.ts';
import type { AnyObject, Resource } from '../../../machinery/client/resource.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';

/** @returns false if the object is gone @throws StatusError, Conflict among them */
export function writeStatus<T extends AnyObject>(
  client: Client,
  resource: Resource<T>,
  object: T,
  signal: AbortSignal,
): Promise<boolean> {
  return unlessGone(client.of(resource).updateStatus(object, { signal }));
}

/** As `writeStatus`, of everything but the status. @throws StatusError */
export function writeObject<T extends AnyObject>(
  client: Client,
  resource: Resource<T>,
  object: T,
  signal: AbortSignal,
): Promise<boolean> {
  return unlessGone(client.of(resource).update(object, { signal }));
}

async function unlessGone(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return false;
  }
}
