/** Words of nft's language. nft has no escape inside quotes, so what cannot be said is refused. Source: nft(8), version 1.0.6. */

const CONTROL = /[\u0000-\u001f\u007f]/;

/** @throws RangeError on a control character: no value may start a new line */
export function safeText(text: string): string {
  if (CONTROL.test(text)) throw new RangeError(`control character in ${JSON.stringify(text)}`);
  return text;
}

/** A name of a table, chain, set or map. @throws RangeError on what would end the name */
export function safeName(text: string): string {
  if (text === '' || /[\s"\\;{}#]/.test(text))
    throw new RangeError(`character not allowed in name ${JSON.stringify(text)}`);
  return safeText(text);
}

/** A comment or another string in quotes. @throws RangeError on a quote or more than 128 bytes */
export function quoted(text: string): string {
  if (text.includes('"')) throw new RangeError(`a string of nft cannot hold a double quote: ${JSON.stringify(text)}`);
  if (Buffer.byteLength(text) > 128)
    throw new RangeError(`${JSON.stringify(text)} is longer than the 128 bytes that nft takes`);
  return `"${safeText(text)}"`;
}
