/** Objects that must not go while they are in use are kept by a finalizer. Pure. */
import type { ObjectMeta } from '../../../../proto/api/meta-v1.ts';

/** What to write; undefined: the object is as it should be. */
export function protectedMetadata(metadata: ObjectMeta, finalizer: string, isInUse: boolean): ObjectMeta | undefined {
  const { finalizers = [] } = metadata;
  const has = finalizers.includes(finalizer);
  if (metadata.deletionTimestamp === undefined)
    return has ? undefined : { ...metadata, finalizers: [...finalizers, finalizer] };
  if (!has || isInUse) return undefined;
  return { ...metadata, finalizers: finalizers.filter(name => name !== finalizer) };
}
