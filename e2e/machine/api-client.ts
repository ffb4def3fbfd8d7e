/** A client of the API with nothing of ours in it: Node's own HTTPS with a client certificate, JSON, and watches line by line. */
import { Agent, request, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { KubeconfigEntry } from '../../machinery/client/kubeconfig.ts';

export interface Answer {
  readonly status: number;
  /** The parsed body; a text that is no JSON as it is. */
  readonly body: unknown;
}

/** One line of a watch. */
export interface WatchLine {
  readonly type: string;
  readonly object: {
    readonly code?: number;
    readonly metadata?: { readonly name?: string; readonly resourceVersion?: string };
    readonly data?: Readonly<Record<string, string>>;
  };
}

const TIMEOUT_MS = 20_000;

export class ApiClient {
  private readonly base: RequestOptions;
  private readonly agent: Agent;

  constructor({ server, tls }: KubeconfigEntry) {
    const { hostname, port } = new URL(server);
    this.agent = new Agent({ keepAlive: true, ca: tls.ca, cert: tls.cert, key: tls.key });
    this.base = { hostname, port, agent: this.agent };
  }

  /** Rejects when no whole answer came: then it is unknown what the server did. */
  request(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = { accept: 'application/json', ...(text === undefined ? {} : { 'content-type': contentType }) };
    return new Promise((resolve, reject) => {
      const outgoing = request({ ...this.base, method, path, headers, timeout: TIMEOUT_MS }, response => {
        collect(response).then(answer => resolve({ status: response.statusCode ?? 0, body: parsed(answer) }), reject);
      });
      outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path} took too long`)));
      outgoing.on('error', reject);
      outgoing.end(text);
    });
  }

  /**
   * Calls `line` for each line of a watch. Resolves when the connection ends, in whatever way, or `signal` aborts.
   * @returns the status of the answer; 0 if there was none
   */
  watch(path: string, line: (line: WatchLine) => void, signal: AbortSignal): Promise<number> {
    return new Promise(resolve => {
      const outgoing = request({ ...this.base, path, headers: { accept: 'application/json' }, signal }, response => {
        let rest = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          const lines = (rest + chunk).split('\n');
          rest = lines.pop() ?? '';
          for (const each of lines) line(JSON.parse(each) as WatchLine);
        });
        response.on('error', () => resolve(response.statusCode ?? 0));
        response.on('close', () => resolve(response.statusCode ?? 0));
      });
      outgoing.on('error', () => resolve(0));
      outgoing.end();
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

async function collect(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  if (!response.complete) throw new Error('the answer was cut off');
  return Buffer.concat(chunks).toString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
