/**
 * Who set which field (metadata.managedFields): the seam between the registry and machinery/meta/apply.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { ServedResource, WriteContext } from './served-resource.ts';

export interface FieldOwnership {
  /** Writes managedFields of `object` after a create (`older` undefined), update or patch by `context.fieldManager`. */
  recordUpdate(resource: ServedResource, object: AnyObject, older: AnyObject | undefined, context: WriteContext): void;
  /**
   * Server-side apply.
   * @returns the merged object, fresh, in the request's version
   * @throws StatusError Conflict unless `force`
   */
  apply(
    resource: ServedResource,
    older: AnyObject | undefined,
    applied: AnyObject,
    force: boolean,
    context: WriteContext,
  ): AnyObject;
}
