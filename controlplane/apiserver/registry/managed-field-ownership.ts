/**
 * FieldOwnership over machinery/meta/apply: managedFields of every write, and server-side apply.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { applyObject } from '../../../machinery/meta/apply/apply-object.ts';
import { trackUpdate, type Change } from '../../../machinery/meta/apply/track-update.ts';
import type { Schema } from '../../../machinery/meta/schema.ts';
import type { FieldOwnership } from './field-ownership.ts';
import { timestamp } from './object-meta.ts';
import { apiVersionOf, type ServedResource, type WriteContext } from './served-resource.ts';

const STATUS = [['status']];
const ALL_BUT_STATUS = [['spec'], ['metadata', 'labels'], ['metadata', 'finalizers'], ['metadata', 'ownerReferences']];

export function managedFieldOwnership(schemaOf: (typePackage: string, kind: string) => Schema): FieldOwnership {
  const change = (
    { info, storedInfo, strategy, conversion }: ServedResource,
    live: AnyObject | undefined,
    context: WriteContext,
    stored: boolean,
  ): Change => {
    // Updates are tracked in the stored form: it is what there is to compare.
    const tracked = stored && conversion !== undefined ? storedInfo : info;
    const { subresource } = context;
    return {
      schema: schemaOf(tracked.typePackage, tracked.kind),
      live,
      manager: context.fieldManager,
      apiVersion: apiVersionOf(tracked),
      ...(subresource === '' ? {} : { subresource }),
      now: timestamp(context.nowMs),
      ...(subresource === 'status'
        ? { ignored: ALL_BUT_STATUS }
        : subresource === '' && strategy.status !== undefined
          ? { ignored: STATUS }
          : {}),
    };
  };
  return {
    recordUpdate(resource, object, older, context) {
      const entries = trackUpdate(change(resource, older, context, true), object);
      if (entries === undefined || entries.length === 0) delete object.metadata.managedFields;
      else object.metadata.managedFields = entries;
    },
    apply(resource, older, applied, force, context) {
      return applyObject(change(resource, older, context, false), applied, force).object;
    },
  };
}
