/**
 * That an object is what the path names. Source: apiserver `pkg/endpoints/handlers/rest.go` (checkName), 1.36.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { badRequest } from '../../../machinery/meta/status-error.ts';
import type { ServedResource } from '../registry/served-resource.ts';

/** What the object leaves open is taken from the path. @throws StatusError BadRequest */
export function checkPlace(
  { metadata }: AnyObject,
  { info }: ServedResource,
  path: { readonly namespace: string; readonly name: string },
): void {
  const { name = '', namespace = '' } = metadata;
  if (name !== '' && name !== path.name)
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${path.name})`);
  if (info.namespaced && namespace !== '' && namespace !== path.namespace)
    throw badRequest(
      `the namespace of the object (${namespace}) does not match the namespace on the request (${path.namespace})`,
    );
}
