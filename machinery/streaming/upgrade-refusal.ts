/** What a server says that does not switch protocols. */
import type { IncomingMessage } from 'node:http';

/** More of a server's words than that is no message. */
const MAX_CHARS = 2_000;

/** The body as text, without the white space around it and cut where it is long; what came of it when it breaks off. */
export async function upgradeRefusal(answer: IncomingMessage): Promise<string> {
  let text = '';
  answer.setEncoding('utf8');
  try {
    for await (const chunk of answer) {
      text += String(chunk);
      if (text.length > MAX_CHARS) break;
    }
  } catch {
    // What came until then must do.
  }
  return text.trim();
}
