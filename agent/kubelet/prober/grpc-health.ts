/**
 * grpc.health.v1.Health/Check, by hand over HTTP/2: two small messages do not need a library.
 * Source: grpc.io, "GRPC Health Checking Protocol"; HTTP/2 framing of gRPC.
 */
import { connect } from 'node:http2';
import { hostPort } from '../../../machinery/meta/host-port.ts';

/** The answer has seven. */
const MAX_BODY_BYTES = 1024;
const SERVING = 1;
const STATUS_NAMES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** @returns undefined when the service says SERVING, else what is wrong */
export function grpcHealthCheck(
  host: string,
  port: number,
  service: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  return new Promise(resolve => {
    const authority = hostPort(host, port);
    const session = connect(`http://${authority}`);
    let done = false;
    const finish = (failure: string | undefined): void => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      session.destroy();
      resolve(failure);
    };
    const onAbort = (): void => finish('aborted');
    const timer = setTimeout(
      () => finish(`timeout: health rpc to ${authority} did not complete within ${timeoutMs / 1000}s`),
      timeoutMs,
    );
    signal.addEventListener('abort', onAbort, { once: true });
    // A stream that never was tells of its session's error as its cause.
    const onError = (error: Error): void => {
      const { message } = error.cause instanceof Error ? error.cause : error;
      finish(`failed to connect service "${authority}": ${message}`);
    };
    session.on('error', onError);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      'user-agent': 'kube-probe/1.36',
      te: 'trailers',
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    let grpcStatus: string | undefined;
    stream.on('response', headers => (grpcStatus = text(headers['grpc-status']) ?? grpcStatus));
    stream.on('trailers', headers => (grpcStatus = text(headers['grpc-status']) ?? grpcStatus));
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
      else finish(`service unhealthy: it answers with more than ${MAX_BODY_BYTES} bytes`);
    });
    stream.on('error', onError);
    stream.on('close', () => {
      if (grpcStatus !== '0') return finish(`service unhealthy: rpc status ${grpcStatus ?? 'missing'}`);
      const status = healthStatus(Buffer.concat(chunks));
      finish(status === SERVING ? undefined : `service unhealthy (responded with "${STATUS_NAMES[status] ?? status}")`);
    });
    stream.end(frame(service));
  });
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

/** HealthCheckRequest { string service = 1; } with gRPC's five bytes before it. */
function frame(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a]), varint(name.length), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/** HealthCheckResponse { enum status = 1; }; absent means UNKNOWN. */
function healthStatus(body: Buffer): number {
  return body.length >= 7 && body[5] === 0x08 ? (body[6] ?? 0) : 0;
}
