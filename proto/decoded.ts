/** The type of a message that came off the wire. */

type Scalar = string | number | bigint | boolean | Uint8Array;

/** Whether a field always has a value after decoding: scalars, lists and maps have; a nested message may be absent. */
type AlwaysSet<V> = V extends Scalar | readonly unknown[] ? true : string extends keyof V ? true : false;

/**
 * A generated message type with the fields required that decoding always fills in (proto3 defaults: '', 0, 0n, false, [], {}).
 * Nested messages stay optional. A `Decoded<T>` can be sent wherever a `T` can.
 */
export type Decoded<T> = T extends Scalar
  ? T
  : T extends readonly (infer E)[]
    ? Decoded<E>[]
    : string extends keyof T
      ? T
      : {
          [K in keyof T as AlwaysSet<NonNullable<T[K]>> extends true ? K : never]-?: Decoded<NonNullable<T[K]>>;
        } & {
          [K in keyof T as AlwaysSet<NonNullable<T[K]>> extends true ? never : K]?:
            Decoded<NonNullable<T[K]>> | undefined;
        };
