/** A client does not keep to the protocol, or asks for more than any client needs. */
export class SpdyViolation extends Error {
  override readonly name = 'SpdyViolation';
}
