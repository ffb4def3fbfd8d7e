/**
 * Validation straight from the schema table, for kinds that have no rules written by hand: texts that must be there, values
 * that must be one of an enumeration. Status is the server's own and is not looked at.
 */
import { notSupportedError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { isJsonObject } from '../../../../machinery/meta/json-value.ts';
import type { Schema, StructSchema } from '../../../../machinery/meta/schema.ts';

/** Types whose enumeration only lists what is well known. */
const OPEN_ENUMS = /(ResourceName|FinalizerName|ConditionType|PodConditionType|SecretType|StorageMedium)$/;

/** Checks everything below the object but its metadata and status. */
export function checkBySchema(schema: StructSchema, object: object): FieldError[] {
  const errors: FieldError[] = [];
  const values = object as Record<string, unknown>;
  for (const [name, field] of schema.fields) {
    if (name === 'metadata' || name === 'status' || name === 'apiVersion' || name === 'kind') continue;
    checkField(errors, FieldPath.of(name), field.schema, values[name], field.optional);
  }
  return errors;
}

function checkField(errors: FieldError[], path: FieldPath, schema: Schema, value: unknown, optional: boolean): void {
  switch (schema.kind) {
    case 'scalar':
      if (value === undefined || value === '') {
        if (!optional && schema.scalar === 'string') errors.push(requiredError(path));
      } else if (schema.enum !== undefined && schema.scalar === 'string' && !OPEN_ENUMS.test(schema.goType)) {
        if (!schema.enum.includes(String(value))) errors.push(notSupportedError(path, value, schema.enum));
      }
      return;
    case 'struct':
      if (!isJsonObject(value)) return;
      for (const [name, field] of schema.fields)
        checkField(errors, path.child(name), field.schema, value[name], field.optional);
      return;
    case 'list':
      if (!Array.isArray(value)) return;
      for (const [i, item] of value.entries()) checkField(errors, path.index(i), schema.items, item, true);
      return;
    case 'map':
      if (!isJsonObject(value)) return;
      for (const [key, item] of Object.entries(value)) checkField(errors, path.key(key), schema.values, item, true);
      return;
    case 'any':
      return;
  }
}
