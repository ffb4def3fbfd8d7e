/**
 * Objects of kinds with a spec always have one, also when the author left it out: every rule may rely on it.
 */
import type { AnyObject } from '../../../../machinery/client/resource.ts';
import { apiTable } from '../../../../proto/api/schema.ts';
import type { Strategy } from '../../registry/strategy.ts';

/** The strategy, with an empty spec put in before its defaults. */
export function withSpec(strategy: Strategy): Strategy {
  const { typePackage, kind } = strategy.info;
  const field = apiTable[typePackage]?.[kind]?.fields?.find(({ name }) => name === 'spec');
  if (field === undefined || field.type.startsWith('*')) return strategy;
  const own = strategy.default?.bind(strategy);
  return {
    ...strategy,
    default(object: AnyObject & { spec?: unknown }): void {
      object.spec ??= {};
      own?.(object);
    },
  };
}
