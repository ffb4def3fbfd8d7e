import { expect, test } from '@jest/globals';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { configMapPayload, downwardPayload, secretPayload } from './volume-payload.ts';

const text = (payload: ReadonlyMap<string, { data: Buffer; mode: number }>): Record<string, string> =>
  Object.fromEntries([...payload].map(([path, f]) => [path, `${f.data.toString()} ${f.mode.toString(8)}`]));
const map = { metadata: {}, data: { a: '1', b: '2' }, binaryData: { c: Buffer.from('3').toString('base64') } };

test('configMapPayload() makes a file of every key, or of those asked for', () => {
  expect(text(configMapPayload('m', map, { defaultMode: 0o644, optional: false }))).toEqual({
    a: '1 644',
    b: '2 644',
    c: '3 644',
  });
  const items = [{ key: 'b', path: 'x/y', mode: 0o400 }];
  expect(text(configMapPayload('m', map, { items, defaultMode: 0o644, optional: false }))).toEqual({ 'x/y': '2 400' });
});

test('a missing object or key is an error that names it, unless it is optional', () => {
  const items = [{ key: 'z', path: 'z' }];
  expect(() => secretPayload('s', undefined, { defaultMode: 0o644, optional: false })).toThrow('secret "s" not found');
  expect(() => configMapPayload('m', map, { items, defaultMode: 0o644, optional: false })).toThrow(
    'configmap "m" references non-existent key: z',
  );
  expect(secretPayload('s', undefined, { defaultMode: 0o644, optional: true }).size).toBe(0);
  expect(configMapPayload('m', map, { items, defaultMode: 0o644, optional: true }).size).toBe(0);
});

test('downwardPayload() shows labels sorted and quoted, and a limit in units of its divisor', () => {
  const pod: Pod = {
    metadata: { name: 'p', labels: { b: '2', a: '1' } },
    spec: { containers: [{ name: 'c', resources: { limits: { memory: '1500Ki' } } }] },
  };
  const items = [
    { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
    { path: 'mem', resourceFieldRef: { containerName: 'c', resource: 'limits.memory', divisor: '1Mi' } },
  ];
  const context = { nodeName: 'n', hostIPs: [], podIPs: [] };
  expect(text(downwardPayload(pod, items, 0o644, context, {}))).toEqual({ labels: 'a="1"\nb="2" 644', mem: '2 644' });
});
