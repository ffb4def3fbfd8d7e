/**
 * Profiles of V8 in the form of `go tool pprof`, which is what asks for them.
 * Source: github.com/google/pprof, proto/profile.proto; Chrome DevTools protocol, Profiler and HeapProfiler.
 */
import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** A function where something was seen, and what it calls: `callFrame` of the DevTools protocol. */
export interface Frame {
  readonly functionName: string;
  readonly url: string;
  /** From 0; -1 when unknown. */
  readonly lineNumber: number;
}

/** Something seen in a stack: leaf first. */
export interface Sample {
  readonly stack: readonly Frame[];
  /** One for each of the profile's types. */
  readonly values: readonly number[];
}

export interface Profile {
  /** `['samples', 'count']`, `['cpu', 'nanoseconds']`. */
  readonly types: readonly (readonly [type: string, unit: string])[];
  readonly samples: readonly Sample[];
  readonly startedAtMs: number;
  readonly durationMs: number;
}

const LENGTH_DELIMITED = 2;
const VARINT = 0;
const FIELDS = {
  sampleType: 1,
  sample: 2,
  location: 4,
  function: 5,
  strings: 6,
  timeNanos: 9,
  durationNanos: 10,
} as const;

/** Protobuf, not compressed yet. */
export function encodePprof(profile: Profile): Uint8Array {
  const strings = new Numbered<string>(text => text);
  strings.of('');
  const functions = new Numbered<Frame>(({ functionName, url }) => `${functionName}\0${url}`, 1);
  const locations = new Numbered<Frame>(
    ({ functionName, url, lineNumber }) => `${functionName}\0${url}\0${lineNumber}`,
    1,
  );
  const out = new BinaryWriter();
  const nested = (field: number, write: (inner: BinaryWriter) => void): void => {
    write(out.uint32((field << 3) | LENGTH_DELIMITED).fork());
    out.join();
  };
  for (const [type, unit] of profile.types)
    nested(FIELDS.sampleType, inner => varints(inner, [1, strings.of(type)], [2, strings.of(unit)]));
  for (const { stack, values } of profile.samples)
    nested(FIELDS.sample, inner => {
      packed(
        inner,
        1,
        stack.map(frame => locations.of(frame)),
      );
      packed(inner, 2, values);
    });
  for (const [frame, id] of locations.all())
    nested(FIELDS.location, inner => {
      varints(inner, [1, id]);
      const line = inner.uint32((4 << 3) | LENGTH_DELIMITED).fork();
      varints(line, [1, functions.of(frame)], [2, frame.lineNumber + 1]);
      line.join();
    });
  for (const [{ functionName, url }, id] of functions.all())
    nested(FIELDS.function, inner => {
      const name = strings.of(functionName === '' ? '(anonymous)' : functionName);
      varints(inner, [1, id], [2, name], [3, name], [4, strings.of(url)]);
    });
  for (const [text] of strings.all()) out.uint32((FIELDS.strings << 3) | LENGTH_DELIMITED).string(text);
  varints(
    out,
    [FIELDS.timeNanos, Math.round(profile.startedAtMs * 1e6)],
    [FIELDS.durationNanos, Math.round(profile.durationMs * 1e6)],
  );
  return out.finish();
}

function varints(out: BinaryWriter, ...fields: readonly (readonly [field: number, value: number])[]): void {
  for (const [field, value] of fields) out.uint32((field << 3) | VARINT).int64(BigInt(Math.round(value)));
}

function packed(out: BinaryWriter, field: number, values: readonly number[]): void {
  const inner = out.uint32((field << 3) | LENGTH_DELIMITED).fork();
  for (const value of values) inner.int64(BigInt(Math.round(value)));
  inner.join();
}

/** Gives each thing a number when it is first seen. */
class Numbered<T> {
  private readonly known = new Map<string, [T, number]>();
  private readonly keyOf: (value: T) => string;
  private readonly first: number;

  constructor(keyOf: (value: T) => string, first = 0) {
    this.keyOf = keyOf;
    this.first = first;
  }

  of(value: T): number {
    const key = this.keyOf(value);
    const found = this.known.get(key);
    if (found !== undefined) return found[1];
    const number = this.known.size + this.first;
    this.known.set(key, [value, number]);
    return number;
  }

  /** In order of their numbers; what is added meanwhile comes too. */
  all(): Iterable<[T, number]> {
    return this.known.values();
  }
}
