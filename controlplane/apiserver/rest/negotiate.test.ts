import { describe, expect, test } from '@jest/globals';
import type { Request } from '../server/request.ts';
import { negotiate, negotiateWatch, plainMediaType } from './negotiate.ts';

const asking = (accept?: string): Request => ({ headers: { accept } }) as unknown as Request;
const PROTO = 'application/vnd.kubernetes.protobuf';
const TABLE = 'as=Table;g=meta.k8s.io;v=v1';
const PARTIAL = 'as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
const ALL =
  'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf';

describe('negotiate()', () => {
  test.each([
    [undefined, 'application/json', 'object'],
    ['', 'application/json', 'object'],
    ['*/*', 'application/json', 'object'],
    ['application/yaml', 'application/yaml', 'object'],
    [PROTO, PROTO, 'object'],
    [`${PROTO},application/json`, PROTO, 'object'],
    [`${PROTO}, */*`, PROTO, 'object'],
    [`text/html, application/xml;q=0.9, */*;q=0.8`, 'application/json', 'object'],
    [`application/json;q=0.5,${PROTO};q=0.9`, PROTO, 'object'],
    [`application/json;q=junk,${PROTO};q=0.1`, PROTO, 'object'],
    [`*/*,${PROTO}`, PROTO, 'object'],
    [`application/*,application/yaml`, 'application/yaml', 'object'],
    [`${PROTO};stream=watch`, PROTO, 'object'],
    [`application/json;${TABLE},application/json`, 'application/json', 'Table'],
    [`application/json;as=Table;v=v1beta9;g=meta.k8s.io,application/json;${TABLE}`, 'application/json', 'Table'],
    [`${PROTO};${TABLE},application/yaml`, 'application/yaml', 'object'],
    [`application/*;${TABLE},application/yaml`, 'application/yaml', 'object'],
    ['application/json;sv=v1', 'application/json', 'object'],
    [`${PROTO};${PARTIAL},application/json;${PARTIAL},application/json`, PROTO, 'PartialObjectMetadataList'],
    [`application/json; as = Table ; g=meta.k8s.io; v=v1`, 'application/json', 'Table'],
    [`nonsense,a/b/c,;,application/json;charset=utf-8`, 'application/json', 'object'],
  ])('takes %j for %s as %s', (accept, mediaType, as) => {
    expect(negotiate(asking(accept))).toEqual({ mediaType, as });
  });

  test.each([
    `${PROTO};${TABLE}`,
    'application/json;as=Pod;g=meta.k8s.io;v=v1',
    'application/json;g=meta.k8s.io',
    'application/yaml;stream=watch',
    'application/json;sv=v2',
  ])('refuses %j with what it could give', accept => {
    expect(() => negotiate(asking(accept))).toThrow(ALL);
  });
});

test.each(['text/plain', 'application/xml', 'text/*', 'text/html,image/png', '*', 'application/*', ','])(
  'negotiate() refuses %j without a list',
  accept => {
    expect(() => negotiate(asking(accept))).toThrow(/^406: Not Acceptable$/);
  },
);

test('negotiateWatch() has no YAML', () => {
  expect(negotiateWatch(asking(PROTO)).mediaType).toBe(PROTO);
  const streams = 'application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch';
  expect(() => negotiateWatch(asking('application/yaml'))).toThrow(streams);
});

test.each([
  [PROTO, PROTO],
  [`${PROTO};${PARTIAL},application/json`, 'application/json'],
  ['text/plain', 'application/json'],
  ['application/yaml', 'application/yaml'],
])('plainMediaType() of %j is %s: an error is told in any case', (accept, type) => {
  expect(plainMediaType(asking(accept))).toBe(type);
});
