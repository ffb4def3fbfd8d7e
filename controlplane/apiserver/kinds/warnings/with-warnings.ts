/**
 * Tells whoever writes an object what of it this version does not act upon: at its creation, and when more than its metadata or status
 * changes. Nothing is refused: objects made for other clusters can be stored, moved and read.
 */
import type { AnyObject } from '../../../../machinery/client/resource.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { fieldWarnings } from './field-warnings.ts';
import { inactiveKinds } from './inactive-kinds.ts';

/** The strategy, with these warnings before its own. */
export function withWarnings(strategy: Strategy): Strategy {
  const { group, kind } = strategy.info;
  const inactive = inactiveKinds[`${group}/${kind}`];
  const own = strategy.warnings?.bind(strategy);
  return {
    ...strategy,
    warnings(object: AnyObject, older: AnyObject | undefined): string[] {
      const said = own?.(object, older) ?? [];
      if (older !== undefined && sameContent(object, older)) return said;
      return [...(inactive === undefined ? [] : [inactive]), ...fieldWarnings(group, kind, object), ...said];
    },
  };
}

function sameContent(object: AnyObject, older: AnyObject): boolean {
  const content = ({ metadata: _, status: __, ...rest }: AnyObject & { status?: unknown }): object => rest;
  return jsonEquals(content(object), content(older));
}
