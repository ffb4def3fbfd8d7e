/** Objects of every kind, made up from the schema table, survive the way to protobuf and back. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { betaKinds, kinds } from '../../../../proto/api/kinds.ts';
import { formatDuration } from '../../../../machinery/meta/duration.ts';
import { layoutOf, type Layout, type WireType } from './layout.ts';
import { protobufBody, protobufObject } from './protobuf-object.ts';
import { essence } from './testdata/essence.ts';

const MAX_DEPTH = 12;
const RUNS = 4;

const METRICS = ['NodeMetrics', 'PodMetrics'].map(kind => ({
  group: 'metrics.k8s.io',
  version: 'v1beta1',
  kind,
  typePackage: 'metrics/pkg/apis/metrics/v1beta1',
}));

const texts = fc.oneof(fc.string({ maxLength: 8 }), fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constant(''));
const keys = fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('__proto__', 'constructor', ''));
const seconds = fc.integer({ min: -62_135_596_799, max: 253_402_300_799 });
const json = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }).filter(value => value !== null),
  fc.constant({ 'f:x': {} }),
);

function timeText(value: number): string {
  return `${new Date(value * 1000)
    .toISOString()
    .replace(/^[+]0*/, '')
    .slice(0, 19)}Z`;
}

/** An object with some of the layout's fields. */
function arbitraryObject(layout: Layout, depth: number): fc.Arbitrary<Record<string, unknown>> {
  const shape: Record<string, fc.Arbitrary<unknown>> = {};
  const inlined: fc.Arbitrary<Record<string, unknown>>[] = [];
  for (const { name, type } of layout.fields) {
    if (name !== '') shape[name] = arbitraryValue(type, depth);
    else if (type.kind === 'message') inlined.push(arbitraryObject(type.layout(), depth));
  }
  return fc
    .tuple(fc.record(shape, { requiredKeys: [] }), ...inlined)
    .map(parts => Object.assign({}, ...parts) as Record<string, unknown>);
}

function arbitraryValue(type: WireType, depth: number): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'string':
      return texts;
    case 'bytes':
      return fc.uint8Array({ maxLength: 20 }).map(bytes => Buffer.from(bytes).toString('base64'));
    case 'bool':
      return fc.boolean();
    case 'int32':
      return fc.oneof(fc.integer(), fc.constantFrom(0, -1, 2 ** 31 - 1, -(2 ** 31)));
    case 'int64':
      return fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER));
    case 'quantity':
      return fc.constantFrom('1', '1500m', '64Mi', '-3', '100k');
    case 'intOrString':
      return fc.oneof(fc.integer(), fc.string({ maxLength: 5 }));
    case 'time':
      return seconds.map(timeText);
    case 'microTime':
      return fc
        .tuple(seconds, fc.nat(999_999))
        .map(([s, micros]) => `${timeText(s).slice(0, 19)}.${String(micros).padStart(6, '0')}Z`);
    case 'duration':
      return fc.maxSafeInteger().map(formatDuration);
    case 'raw':
      return json;
    case 'message':
      // Deep trees are wide: what lies deepest is left empty.
      return depth >= MAX_DEPTH
        ? fc.constant({})
        : fc.constant(0).chain(() => arbitraryObject(type.layout(), depth + 1));
    case 'wrappedList':
    case 'list':
      return fc.array(arbitraryValue(type.items, depth), { maxLength: 2 });
    case 'map':
      return fc
        .array(fc.tuple(keys, arbitraryValue(type.values, depth)), { maxLength: 2 })
        .map(entries => Object.fromEntries(entries));
  }
}

test.each(
  [...kinds, ...betaKinds, ...METRICS].map(info => ({
    ...info,
    apiVersion: info.group === '' ? info.version : `${info.group}/${info.version}`,
  })),
)(
  '$apiVersion $kind: JSON to protobuf and back says the same, in the same bytes',
  ({ apiVersion, kind, typePackage }) => {
    fc.assert(
      fc.property(arbitraryObject(layoutOf(typePackage, kind), 0), made => {
        const object = { ...made, apiVersion, kind };
        const body = protobufBody(object) ?? Buffer.alloc(0);
        const back = protobufObject(body, typePackage, kind);
        expect(essence(back)).toEqual(essence(object));
        expect(protobufBody(back)?.equals(body)).toBe(true);
      }),
      { numRuns: RUNS },
    );
  },
);
