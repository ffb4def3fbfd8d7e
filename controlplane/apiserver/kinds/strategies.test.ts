import { describe, expect, test } from '@jest/globals';
import { kinds } from '../../../proto/api/kinds.ts';
import { strategyOf } from './strategies.ts';

describe('strategies', () => {
  test.each(kinds.map(info => [`${info.group}/${info.version} ${info.kind}`, info] as const))(
    '%s has a strategy',
    (_name, info) => {
      expect(strategyOf(info).info.kind).toBe(info.kind);
    },
  );

  test.each(kinds.map(info => [`${info.group}/${info.version} ${info.kind}`, info] as const))(
    '%s survives an object that says nothing',
    (_name, info) => {
      const strategy = strategyOf(info);
      const object = { metadata: { name: 'x', ...(info.namespaced ? { namespace: 'default' } : {}) } };
      const context = { nowMs: 0, user: { name: 'u', groups: [] }, dryRun: false };
      strategy.default?.(object);
      strategy.prepareForCreate?.(object, context);
      strategy.validate?.(object);
      strategy.selectableFields?.(object);
      for (const column of strategy.columns ?? []) column.cell(object, 0);
    },
  );
});
