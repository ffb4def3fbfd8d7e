/**
 * Stands between k8ts and a container runtime and passes everything through, but for the calls that it was told to let hang: those are
 * never answered, and never reach the runtime.
 */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import {
  connect,
  constants,
  createServer,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { createConnection } from 'node:net';

export class HangingRuntime {
  private readonly server: Http2Server;
  private readonly rules = new Map<string, Buffer>();
  private readonly hung: string[] = [];
  private readonly held = new Set<ServerHttp2Stream>();
  private readonly calls = new Map<string, number>();

  /** @param behind socket of the runtime */
  constructor(behind: string) {
    this.server = createServer({ settings: { initialWindowSize: 16 * 1024 * 1024 } });
    this.server.on('session', session => {
      const runtime = connect('http://localhost', { createConnection: () => createConnection(behind) });
      const end = (): void => {
        session.destroy();
        runtime.destroy();
      };
      for (const side of [session, runtime]) side.on('error', end).on('close', end);
      session.on('stream', (stream, headers) => {
        const method = String(headers[':path']).split('/').pop() ?? '';
        this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
        stream.on('error', () => undefined);
        const rule = this.rules.get(method);
        // Only calls that may hang are looked into: others may be streams in both directions.
        if (rule === undefined) return void stream.pipe(pass(stream, headers, runtime));
        const request: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => request.push(chunk));
        stream.on('end', () => {
          const body = Buffer.concat(request);
          if (!body.includes(rule)) return void pass(stream, headers, runtime).end(body);
          this.hung.push(method);
          this.held.add(stream);
          stream.on('close', () => this.held.delete(stream));
        });
      });
    });
  }

  /** Calls of `method` (`RunPodSandbox`) whose request holds `text` hang from now on. */
  hang(method: string, text: string): void {
    this.rules.set(method, Buffer.from(text));
  }

  /** Lets everything pass again; what hangs fails now. */
  release(): void {
    this.rules.clear();
    this.hung.length = 0;
    for (const stream of this.held) stream.close(constants.NGHTTP2_CANCEL);
  }

  /** How many calls of `method` hang or hung since the last release. */
  hanging(method: string): number {
    return this.hung.filter(name => name === method).length;
  }

  /** Calls so far, by method, streams included. */
  count(): ReadonlyMap<string, number> {
    return new Map(this.calls);
  }

  async listen(socket: string): Promise<void> {
    rmSync(socket, { force: true });
    this.server.listen(socket);
    await once(this.server, 'listening');
  }

  close(): void {
    this.release();
    this.server.close();
  }
}

/** Begins the same call at the runtime and sends its answer back. @returns where the request goes */
function pass(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, runtime: ClientHttp2Session): ClientHttp2Stream {
  const passed = runtime.request({ ...headers, ':authority': 'localhost' }, { endStream: false });
  let trailers: IncomingHttpHeaders = {};
  passed.on('trailers', got => (trailers = got));
  passed.on('response', (answer, flags) => {
    if (stream.destroyed) return;
    const endStream = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    stream.respond(answer, { endStream, waitForTrailers: !endStream });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    if (!endStream) passed.pipe(stream);
  });
  passed.on('error', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  stream.on('close', () => passed.close(constants.NGHTTP2_CANCEL));
  return passed;
}
