import { expect, test } from '@jest/globals';
import { claimNamesOf } from './pod-claims.ts';

test('claimNamesOf() names those of the spec and those made for the pod', () => {
  const volumes = [
    { name: 'a', persistentVolumeClaim: { claimName: 'data' } },
    { name: 'b', ephemeral: {} },
    { name: 'c', emptyDir: {} },
  ];
  expect(claimNamesOf({ metadata: { name: 'p' }, spec: { containers: [], volumes } })).toEqual(['data', 'p-b']);
});
