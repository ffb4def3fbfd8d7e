/** A body is no well-formed protobuf of the kind it should be. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}
