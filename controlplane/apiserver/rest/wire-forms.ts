/**
 * The forms in which a resource's objects leave other than as JSON: made when first asked for, one each.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { apiVersionOf, type Shown } from '../registry/served-resource.ts';
import type { WireForm } from '../server/request.ts';
import type { Negotiated } from './negotiate.ts';
import { META } from './protobuf/layout.ts';
import { ProtobufForm } from './protobuf/protobuf-form.ts';

const PARTIAL = { apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadata', typePackage: META };

interface Forms {
  objects?: WireForm;
  metadata?: WireForm;
}

const forms = new WeakMap<Shown, Forms>();

/** Protobuf for objects of `resource`, or for their metadata alone. */
export function protobufForm(resource: Shown, as: Negotiated['as']): WireForm {
  let known = forms.get(resource);
  if (known === undefined) forms.set(resource, (known = {}));
  const { info, conversion } = resource;
  const view = (object: AnyObject): AnyObject => (conversion === undefined ? object : conversion.fromStorage(object));
  if (as === 'object')
    return (known.objects ??= new ProtobufForm(
      { apiVersion: apiVersionOf(info), kind: info.kind, typePackage: info.typePackage },
      view,
    ));
  return (known.metadata ??= new ProtobufForm(PARTIAL, view));
}
