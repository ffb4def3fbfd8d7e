/**
 * Creates what must exist; that it exists already is fine.
 */
import type { Client } from '../../../machinery/client/client.ts';
import type { AnyObject, Resource } from '../../../machinery/client/resource.ts';
import { hasReason } from '../../../machinery/meta/status-error-from.ts';
import { isNamespaceTerminating } from './namespace-terminating.ts';

/** @returns false if the namespace is gone or going, so that nothing can be made in it */
export async function ensure<T extends AnyObject>(
  client: Client,
  resource: Resource<T>,
  object: T,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await client.of(resource).create(object, { signal });
    return true;
  } catch (error) {
    if (hasReason(error, 'AlreadyExists')) return true;
    if (hasReason(error, 'NotFound') || isNamespaceTerminating(error)) return false;
    throw error;
  }
}
