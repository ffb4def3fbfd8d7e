/** Whatever bytes come as protobuf, they are an object or a BadRequest, soon. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { StatusError } from '../../../../machinery/meta/status-error.ts';
import { protobufObject } from './protobuf-object.ts';

interface Golden {
  type: string;
  kind: string;
  protobuf: string;
}
const { objects } = JSON.parse(readFileSync(new URL('testdata/upstream-1.20.json', import.meta.url), 'utf8')) as {
  objects: Golden[];
};

/** The message with which it was refused, or undefined. */
function refusal(body: Buffer, type = 'api/core/v1', kind = 'Pod'): string | undefined {
  try {
    protobufObject(body, type, kind);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(StatusError);
    expect((error as StatusError).reason).toBe('BadRequest');
    return (error as StatusError).message;
  }
}

const varint = (value: bigint): Buffer => {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
};
const field = (number: number, body: Buffer): Buffer =>
  Buffer.concat([varint(BigInt(number * 8 + 2)), varint(BigInt(body.length)), body]);
const enveloped = (raw: Buffer): Buffer => Buffer.concat([Buffer.from('k8s\0'), field(2, raw)]);

test('protobufObject() takes or refuses random bytes', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), bytes => void refusal(enveloped(Buffer.from(bytes)))));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), bytes => void refusal(Buffer.from([0x6b, 0x38, 0x73, 0, ...bytes]))),
  );
});

test('protobufObject() takes or refuses what was cut off or damaged', () => {
  const goldens = fc.constantFrom(...objects);
  fc.assert(
    fc.property(goldens, fc.nat(), fc.nat(), fc.nat(255), ({ type, kind, protobuf }, end, at, byte) => {
      const body = Buffer.from(protobuf, 'base64');
      void refusal(body.subarray(0, end % body.length), type, kind);
      body[at % body.length] = byte;
      void refusal(body, type, kind);
    }),
    { numRuns: 500 },
  );
});

describe('protobufObject() says what is wrong with', () => {
  const groups = (open: number): Buffer => Buffer.alloc(open, 0x7b);
  test.each([
    { name: 'nothing', body: Buffer.alloc(0), text: 'empty data' },
    { name: 'JSON', body: Buffer.from('{}'), text: 'expected prefix [107 56 115 0]' },
    { name: 'the magic alone', body: Buffer.from('k8s\0'), text: 'empty body' },
    { name: 'a length beyond the end', body: Buffer.from('k8s\0\x12\x7f\0', 'latin1'), text: 'unexpected EOF' },
    {
      name: 'a length of 2^63',
      body: Buffer.concat([Buffer.from('k8s\0\x12', 'latin1'), varint(2n ** 63n)]),
      text: 'unexpected EOF',
    },
    { name: 'an endless varint', body: enveloped(Buffer.alloc(20, 0xff)), text: 'integer overflow' },
    { name: 'field 0', body: enveloped(Buffer.from([0x02, 0x00])), text: 'illegal tag 0' },
    {
      name: 'a number where a message stands',
      body: enveloped(Buffer.from([0x08, 0x01])),
      text: 'wrong wireType = 0 for field 1',
    },
    { name: 'groups in groups', body: enveloped(groups(100_000)), text: 'groups are nested too deeply' },
    { name: 'a group that never ends', body: enveloped(groups(3)), text: 'unexpected EOF' },
    { name: 'an end without a group', body: enveloped(Buffer.from([0x7c])), text: 'wiretype end group for non-group' },
    { name: 'wire type 7', body: enveloped(Buffer.from([0x7f])), text: 'illegal wire type 7' },
    {
      name: 'a time that no calendar has',
      body: enveloped(field(1, field(8, Buffer.concat([Buffer.from([0x08]), varint(2n ** 60n)])))),
      text: 'is no time between the years 1 and 9999',
    },
    {
      name: 'managed fields that are no JSON',
      body: enveloped(field(1, field(17, field(7, field(1, Buffer.from('{')))))),
      text: 'an embedded object is no JSON',
    },
  ])('$name', ({ body, text }) => {
    expect(refusal(body)).toContain(text);
    expect(refusal(body)).toContain('the object provided is unrecognized (must be of type Pod)');
  });
});

test('protobufObject() passes over unknown fields of every wire type, and groups of them', () => {
  const unknown = Buffer.concat([
    Buffer.from([0xa0, 0x06, 0x96, 0x01]),
    Buffer.from([0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8]),
    Buffer.from([0xa5, 0x06, 1, 2, 3, 4]),
    Buffer.from([0xa3, 0x06, 0x08, 0x01, 0xa4, 0x06]),
    field(100, Buffer.from('x')),
  ]);
  const body = enveloped(Buffer.concat([unknown, field(1, Buffer.concat([field(1, Buffer.from('p')), unknown]))]));
  expect(protobufObject(body, 'api/core/v1', 'Pod')).toEqual({ metadata: { name: 'p' } });
});

test('protobufObject() reads packed numbers, keys that mean something to JavaScript, and Go’s 32 bits', () => {
  const groups = field(4, Buffer.concat([varint(1n), varint(2n), varint(2n ** 31n - 1n)]));
  const context = Buffer.concat([groups, Buffer.from([0x28]), varint(2n ** 64n - 5n)]);
  const labels = field(11, Buffer.concat([field(1, Buffer.from('__proto__')), field(2, Buffer.from('x'))]));
  const spec = Buffer.concat([field(14, context), Buffer.from([0xc8, 0x01]), varint(2n ** 32n + 7n)]);
  const pod = protobufObject(enveloped(Buffer.concat([field(1, labels), field(2, spec)])), 'api/core/v1', 'Pod');
  expect(JSON.stringify(pod)).toBe(
    '{"metadata":{"labels":{"__proto__":"x"}},"spec":{"securityContext":{"supplementalGroups":[1,2,2147483647],"fsGroup":-5},"priority":7}}',
  );
});
