/**
 * FieldOwnership over machinery/meta/apply: managedFields of every write, and server-side apply.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { applyObject } from '../../../machinery/meta/apply/apply-object.ts';
import { trackUpdate, type Change, type VersionedForm } from '../../../machinery/meta/apply/track-update.ts';
import type { Schema } from '../../../machinery/meta/schema.ts';
import type { ConvertedKind } from '../kinds/strategies.ts';
import type { FieldOwnership } from './field-ownership.ts';
import { timestamp } from './object-meta.ts';
import { apiVersionOf, type ServedResource, type WriteContext } from './served-resource.ts';

const STATUS = [['status']];
const ALL_BUT_STATUS = [['spec'], ['metadata', 'labels'], ['metadata', 'finalizers'], ['metadata', 'ownerReferences']];

export function managedFieldOwnership(
  schemaOf: (typePackage: string, kind: string) => Schema,
  converted: readonly ConvertedKind[],
): FieldOwnership {
  /** The object as `apiVersion` has it; `resource` says in which version it is given. */
  const inVersion = (resource: ServedResource, apiVersion: string): VersionedForm | undefined => {
    const { storedInfo } = resource;
    const other = converted.find(kind => kind.strategy.info === storedInfo && apiVersionOf(kind.info) === apiVersion);
    if (other === undefined && apiVersionOf(storedInfo) !== apiVersion) return undefined;
    const { typePackage, kind } = other?.info ?? storedInfo;
    return {
      schema: schemaOf(typePackage, kind),
      convert(object) {
        const stored = resource.conversion?.toStorage(object as AnyObject) ?? (object as AnyObject);
        return other?.conversion.fromStorage(stored) ?? stored;
      },
    };
  };
  const change = (resource: ServedResource, live: AnyObject | undefined, context: WriteContext): Change => {
    const { info, strategy } = resource;
    const { subresource } = context;
    return {
      schema: schemaOf(info.typePackage, info.kind),
      live,
      manager: context.fieldManager,
      apiVersion: apiVersionOf(info),
      inVersion: apiVersion => inVersion(resource, apiVersion),
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
      // What is stored is compared as the request's version has it: that is what its manager comes to own.
      const asAsked = (stored: AnyObject): AnyObject => resource.conversion?.fromStorage(stored) ?? stored;
      const live = older === undefined ? undefined : asAsked(older);
      const entries = trackUpdate(change(resource, live, context), asAsked(object));
      if (entries === undefined || entries.length === 0) delete object.metadata.managedFields;
      else object.metadata.managedFields = entries;
    },
    apply(resource, older, applied, force, context) {
      return applyObject(change(resource, older, context), applied, force).object;
    },
  };
}
