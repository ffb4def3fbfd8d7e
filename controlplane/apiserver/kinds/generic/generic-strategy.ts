/**
 * The strategy of a kind that needs no more than its schema and its columns.
 */
import type { AnyObject } from '../../../../machinery/client/resource.ts';
import { builtinSchemas } from './builtin-schemas.ts';
import type { StructSchema } from '../../../../machinery/meta/schema.ts';
import { apiTable } from '../../../../proto/api/schema.ts';
import type { KindInfo } from '../../../../proto/api/kinds.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { plainStatus } from '../validation/spec-kept.ts';
import { checkBySchema } from './schema-rules.ts';

/** `own` overrules; the schema is resolved at the first write. */
export function genericStrategy<T extends AnyObject>(info: KindInfo, own: Partial<Strategy<T>> = {}): Strategy<T> {
  const fields = apiTable[info.typePackage]?.[info.kind]?.fields ?? [];
  const hasStatus = fields.some(field => field.name === 'status');
  return {
    info,
    tracksGeneration: fields.some(field => field.name === 'spec'),
    allowUnconditionalUpdate: true,
    ...(hasStatus
      ? {
          status: plainStatus,
          prepareForCreate(object: AnyObject): void {
            Reflect.deleteProperty(object, 'status');
          },
        }
      : {}),
    validate: object => checkBySchema(schemaOf(info), object),
    ...own,
  };
}

function schemaOf(info: KindInfo): StructSchema {
  const schema = builtinSchemas.type(info.typePackage, info.kind);
  if (schema.kind !== 'struct') throw new Error(`${info.kind} is no struct`);
  return schema;
}
