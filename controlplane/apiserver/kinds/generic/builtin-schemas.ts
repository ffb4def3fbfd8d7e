/** The schemas of built-in types, resolved as they are asked for. They are immutable and shared. */
import { SchemaTable } from '../../../../machinery/meta/schema-table.ts';
import { apiTable } from '../../../../proto/api/schema.ts';

export const builtinSchemas: SchemaTable = new SchemaTable(apiTable);
