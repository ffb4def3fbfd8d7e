/**
 * Label and field selectors of a request as one predicate over stored objects.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { parseFieldSelector, type FieldSelector } from '../../../machinery/meta/field-selector.ts';
import { parseLabelSelector } from '../../../machinery/meta/label-selector.ts';
import { badRequest } from '../../../machinery/meta/status-error.ts';
import { fromStorage } from './rest-parts.ts';
import type { ServedResource } from '../registry/served-resource.ts';

export interface Selection {
  /** Only this name, when the field selector says so. */
  readonly name?: string;
  readonly namespace?: string;
  /** Absent: everything. */
  readonly predicate?: (object: AnyObject) => boolean;
}

/** @throws StatusError BadRequest */
export function selection(
  resource: ServedResource,
  namespace: string,
  labelSelector: string,
  fieldSelector: string,
): Selection {
  const place = namespace === '' ? {} : { namespace };
  if (labelSelector === '' && fieldSelector === '') return place;
  const labels = parseLabelSelector(labelSelector);
  const fields = fieldSelector === '' ? undefined : parseFieldSelector(fieldSelector);
  for (const { field } of fields?.requirements ?? []) checkField(resource, field);
  const name = fields?.exactMatch('metadata.name');
  const predicates: ((object: AnyObject) => boolean)[] = [];
  if (!labels.isEmpty) predicates.push(object => labels.matches(object.metadata.labels));
  if (fields !== undefined && !fields.isEmpty && !(name !== undefined && fields.requirements.length === 1)) {
    predicates.push(fieldPredicate(resource, fields));
  }
  const [first, second] = predicates;
  const predicate =
    first === undefined || second === undefined ? first : (object: AnyObject) => first(object) && second(object);
  return { ...place, ...(name === undefined ? {} : { name }), ...(predicate === undefined ? {} : { predicate }) };
}

function fieldPredicate(resource: ServedResource, fields: FieldSelector): (object: AnyObject) => boolean {
  const { strategy } = resource;
  return object => {
    const values = strategy.selectableFields?.(object);
    return fields.matches(field => {
      if (field === 'metadata.name') return object.metadata.name ?? '';
      if (field === 'metadata.namespace') return object.metadata.namespace ?? '';
      return values?.[field] ?? (resource.conversion === undefined ? '' : convertedField(resource, object, field));
    });
  };
}

/** A field that only the requested version has (`regarding.name` of events.k8s.io). */
function convertedField(resource: ServedResource, object: AnyObject, field: string): string {
  let value: unknown = fromStorage(resource, object);
  for (const step of field.split('.')) value = (value as Record<string, unknown> | undefined)?.[step];
  return typeof value === 'string' ? value : '';
}

/** Has what strategies look into when they say which fields can be selected. */
const HOLLOW = { metadata: {}, spec: {}, status: {}, involvedObject: {}, source: {} };

const EVERY_KIND = ['metadata.name', 'metadata.namespace'];

/** @throws StatusError BadRequest when `field` is none that the kind can be selected by */
function checkField({ strategy, conversion }: ServedResource, field: string): void {
  const own =
    conversion === undefined ? Object.keys(strategy.selectableFields?.(HOLLOW) ?? {}) : (conversion.fields ?? []);
  if (EVERY_KIND.includes(field) || own.includes(field)) return;
  throw badRequest(
    own.length > 0
      ? `field label not supported: ${field}`
      : `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`,
  );
}
