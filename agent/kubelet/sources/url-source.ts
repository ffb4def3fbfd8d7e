/** Static pods from a URL: asked now and then, as upstream does. While it does not answer, what it said last holds. */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { rfc3339 } from '../plan/time-format.ts';
import { MAX_MANIFEST_BYTES, readManifest, type Manifest } from './manifests.ts';

export interface UrlSourceOptions {
  readonly url: string;
  /** Headers to send, each with its values. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly nodeName: string;
  readonly everyMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onManifests: (manifests: readonly Manifest[]) => void;
}

const TIMEOUT_MS = 10_000;

export class UrlSource {
  private readonly options: UrlSourceOptions;
  private last: string | undefined;

  constructor(options: UrlSourceOptions) {
    this.options = options;
  }

  /** Runs until the signal aborts. Never throws: who does not answer is asked again. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, everyMs, logger, url } = this.options;
    let failing = false;
    while (!signal.aborted) {
      try {
        await this.ask(signal);
        failing = false;
      } catch (error) {
        if (signal.aborted) return;
        logger[failing ? 'debug' : 'warn']({ err: error, url }, 'Cannot read static pods; asking again');
        failing = true;
      }
      await clock.sleep(everyMs, signal).catch(() => undefined);
    }
  }

  private async ask(signal: AbortSignal): Promise<void> {
    const { url, nodeName, clock, onManifests } = this.options;
    const headers = Object.entries(this.options.headers).flatMap(([name, values]) =>
      values.map((value): [string, string] => [name, value]),
    );
    const answer = await fetch(url, { headers, signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]) });
    if (answer.status !== 200) throw new Error(`${url} answers ${answer.status} ${answer.statusText}`);
    const text = await textOf(answer);
    if (text === this.last) return;
    if (text === '') throw new Error(`${url} answers with nothing`);
    onManifests([await readManifest(text, { kind: 'http', location: url, nodeName }, rfc3339(clock.now()))]);
    this.last = text;
  }
}

async function textOf(answer: Response): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of answer.body ?? []) {
    bytes += (part as Uint8Array).length;
    if (bytes > MAX_MANIFEST_BYTES) throw new Error(`the answer is longer than ${MAX_MANIFEST_BYTES} bytes`);
    parts.push(Buffer.from(part as Uint8Array));
  }
  return Buffer.concat(parts).toString();
}
