/**
 * Lets an object that is not in the store (a dry run's outcome, a converted one) pass where stored ones do.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { StoredObject } from '../storage/storage.ts';

export function unstored(object: AnyObject): StoredObject<AnyObject> {
  const { namespace = '', name = '', resourceVersion = '' } = object.metadata;
  let bytes: Buffer | undefined;
  return {
    namespace,
    name,
    resourceVersion,
    object,
    get bytes() {
      return (bytes ??= Buffer.from(JSON.stringify(object)));
    },
  };
}
