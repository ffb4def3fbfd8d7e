/**
 * Splits a byte stream into JSON documents, one a line, as a watch sends them.
 * @param maxLineBytes a longer line is an error, so that a broken server cannot fill the memory
 */
export async function* readJsonLines(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes = 32 << 20,
): AsyncIterable<unknown> {
  let parts: Uint8Array[] = [];
  let pending = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(10, start); end >= 0; end = chunk.indexOf(10, start)) {
      parts.push(chunk.subarray(start, end));
      const line = Buffer.concat(parts).toString('utf8');
      parts = [];
      pending = 0;
      start = end + 1;
      if (line.trim() !== '') yield JSON.parse(line);
    }
    if (start === chunk.length) continue;
    parts.push(chunk.subarray(start));
    pending += chunk.length - start;
    if (pending > maxLineBytes) throw new Error(`a line of the stream is longer than ${maxLineBytes} bytes`);
  }
}
