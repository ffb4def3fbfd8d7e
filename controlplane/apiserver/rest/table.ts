/**
 * Server-side tables: what `kubectl get` prints. Columns come from the kind's strategy.
 * Source: kubernetes.io/docs, "Kubernetes API Concepts", receiving resources as tables.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { ListMeta, Table, TableColumnDefinition, TableRow } from '../../../proto/api/meta-v1.ts';
import { ageColumn, createdAtColumn, nameColumn } from '../kinds/columns/column.ts';
import type { Column, Strategy } from '../registry/strategy.ts';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

export class TableWriter {
  readonly #columns: readonly Column<AnyObject>[];
  readonly #include: IncludeObject;

  /** @param columns without Name and Age where the usual ones will do; undefined: name and creation alone */
  constructor(columns: Strategy['columns'], include: IncludeObject) {
    this.#columns = completed(columns);
    this.#include = include;
  }

  table(objects: readonly AnyObject[], metadata: ListMeta, nowMs: number, withColumns = true): Table {
    return {
      kind: 'Table',
      apiVersion: 'meta.k8s.io/v1',
      metadata,
      columnDefinitions: withColumns ? this.#columns.map(definition) : [],
      rows: objects.map(object => this.#row(object, nowMs)),
    };
  }

  #row(object: AnyObject, nowMs: number): TableRow {
    const cells = this.#columns.map(column => column.cell(object, nowMs)) as TableRow['cells'];
    if (this.#include === 'None') return { cells };
    return { cells, object: (this.#include === 'Object' ? object : partialMetadata(object)) as TableRow['object'] };
  }
}

/** The object's metadata alone, as a kind of its own. */
export function partialMetadata(object: AnyObject): AnyObject {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

function completed(own: readonly Column<AnyObject>[] | undefined): readonly Column<AnyObject>[] {
  if (own === undefined) return [nameColumn, createdAtColumn];
  const names = new Set(own.map(column => column.name));
  const columns = names.has('Name') ? [...own] : [nameColumn, ...own];
  if (!names.has('Age') && !names.has('Created At')) {
    // Wide columns stay behind Age, as upstream's do.
    const wide = columns.findIndex(column => column.priority > 0);
    columns.splice(wide < 0 ? columns.length : wide, 0, ageColumn);
  }
  return columns;
}

function definition({ name, type, format, description, priority }: Column<AnyObject>): TableColumnDefinition {
  return { name, type, format: format ?? '', description, priority };
}
