import { describe, expect, test } from '@jest/globals';
import { environmentValue, unknownVariables, variableOf } from './environment.ts';

test('variableOf() turns dashes into underscores', () => {
  expect(variableOf('container-runtime-endpoint')).toBe('K8TS_CONTAINER_RUNTIME_ENDPOINT');
});

describe('environmentValue()', () => {
  test.each([
    ['node-name', 'string', { K8TS_NODE_NAME: 'a' }, 'a'],
    ['node-name', 'string', { K8TS_NODE_NAME: '' }, undefined],
    ['node-name', 'string', {}, undefined],
    ['max-pods', 'number', { K8TS_MAX_PODS: '20' }, 20],
    ['foreground', 'boolean', { K8TS_FOREGROUND: 'true' }, true],
    ['foreground', 'boolean', { K8TS_FOREGROUND: '0' }, false],
  ] as const)('reads --%s as %s from %j', (option, type, env, want) => {
    expect(environmentValue(option, type, env)).toBe(want);
  });

  test.each([
    ['max-pods', 'number', { K8TS_MAX_PODS: 'many' }, 'K8TS_MAX_PODS: "many" is no number'],
    ['foreground', 'boolean', { K8TS_FOREGROUND: 'maybe' }, 'K8TS_FOREGROUND: "maybe" is neither true nor false'],
  ] as const)('refuses --%s, %s from %j', (option, type, env, message) => {
    expect(() => environmentValue(option, type, env)).toThrow(message);
  });
});

test('unknownVariables() finds slips, and leaves service links alone', () => {
  const env = { K8TS_NODENAME: 'a', K8TS_NODE_NAME: 'a', K8TS_SERVICE_HOST: 'a', K8TS_PORT: 'a', PATH: 'a' };
  expect(unknownVariables(['node-name'], env)).toEqual(['K8TS_NODENAME']);
});
