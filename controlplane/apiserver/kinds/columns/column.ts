/** Makes table columns with few words. */
import type { AnyObject } from '../../../../machinery/client/resource.ts';
import type { Column } from '../../registry/strategy.ts';
import { ageOf } from './age.ts';

type Cell<T> = (object: T, nowMs: number) => string | number | boolean | null;

/** A column that is always shown. */
export function column<T>(
  name: string,
  description: string,
  cell: Cell<T>,
  type: Column<T>['type'] = 'string',
): Column<T> {
  return { name, type, description, priority: 0, cell };
}

/** A column that `-o wide` shows. */
export function wide<T>(
  name: string,
  description: string,
  cell: Cell<T>,
  type: Column<T>['type'] = 'string',
): Column<T> {
  return { name, type, description, priority: 1, cell };
}

/** The object's name. */
export const nameColumn: Column<AnyObject> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name of the object, unique among its kind in its namespace.',
  priority: 0,
  cell: object => object.metadata.name ?? '',
};

/** How long ago the object was made. */
export const ageColumn: Column<AnyObject> = column('Age', 'Time since the object was created.', (object, nowMs) =>
  ageOf(object.metadata.creationTimestamp, nowMs),
);

/** The moment at which the object was made, for kinds whose tables show that instead of an age. */
export const createdAtColumn: Column<AnyObject> = column(
  'Created At',
  'Time at which the object was created.',
  object => object.metadata.creationTimestamp ?? '<unknown>',
  'date',
);

/** Joined texts, or `<none>`. */
export function listOrNone(values: readonly string[] | undefined, separator = ','): string {
  return values === undefined || values.length === 0 ? '<none>' : values.join(separator);
}

/** `a=b,c=d`, sorted by key, or `<none>`. */
export function formatLabels(labels: Readonly<Record<string, string>> | undefined): string {
  return listOrNone(
    Object.entries(labels ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .sort(),
  );
}
