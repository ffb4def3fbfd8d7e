import { expect, test } from '@jest/globals';
import { protobufObject } from './protobuf-object.ts';

/** One length-delimited field. */
const field = (number: number, value: string | Buffer): Buffer => {
  const body = Buffer.from(value);
  return Buffer.concat([Buffer.from([number * 8 + 2, body.length]), body]);
};
const envelope = (apiVersion: string, kind: string, raw: Buffer): Buffer =>
  Buffer.concat([Buffer.from('k8s\0'), field(1, Buffer.concat([field(1, apiVersion), field(2, kind)])), field(2, raw)]);

test('protobufObject() reads metadata, maps and bytes', () => {
  const metadata = Buffer.concat([
    field(1, 's'),
    field(2, ''),
    field(11, Buffer.concat([field(1, 'a'), field(2, 'b')])),
  ]);
  const raw = Buffer.concat([
    field(1, metadata),
    field(2, Buffer.concat([field(1, 'k'), field(2, Buffer.from([1, 2]))])),
  ]);
  expect(protobufObject(envelope('v1', 'Secret', raw), 'api/core/v1', 'Secret')).toEqual({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's', labels: { a: 'b' } },
    data: { k: 'AQI=' },
  });
});

test.each([
  ['has no magic', Buffer.from('{}')],
  ['ends early', Buffer.concat([Buffer.from('k8s\0'), Buffer.from([0x12, 0x7f, 0x00])])],
])('protobufObject() refuses what %s', (_name, body) => {
  expect(() => protobufObject(body, 'api/core/v1', 'Secret')).toThrow('the object provided is unrecognized');
});
