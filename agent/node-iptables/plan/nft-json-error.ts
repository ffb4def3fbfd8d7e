/** Text that `nft -j` does not print, or a form of it that this library does not know. */
export class NftJsonError extends SyntaxError {
  override readonly name = 'NftJsonError';

  /** @param where the part that was not understood; its beginning is told */
  constructor(problem: string, where: unknown, options?: ErrorOptions) {
    const text = typeof where === 'string' ? where : (JSON.stringify(where) ?? String(where));
    super(`not from nft -j: ${problem}: ${text.slice(0, 200)}`, options);
  }
}
