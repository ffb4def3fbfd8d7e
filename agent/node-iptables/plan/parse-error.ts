/** Text that none of the packet filter's commands prints, or a form of it that this library does not know. */
export class ParseError extends SyntaxError {
  override readonly name = 'ParseError';

  /**
   * @param expected what should have been there: `iptables-save`, `nft -j`
   * @param where the part that was not understood; its beginning is told
   */
  constructor(expected: string, problem: string, where: unknown, options?: ErrorOptions) {
    const text = typeof where === 'string' ? where : (JSON.stringify(where) ?? String(where));
    super(`not from ${expected}: ${problem}: ${text.slice(0, 200)}`, options);
  }
}
