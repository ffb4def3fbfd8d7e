/**
 * One keep-alive HTTP/1.1 connection over TLS that costs next to nothing itself, so that the server is measured and not the client. Bodies are
 * counted, not kept.
 */
import { connect, type TLSSocket } from 'node:tls';
import type { Access } from './access.ts';

interface Waiting {
  resolve(bytes: number): void;
  reject(error: Error): void;
}

const HEAD_END = '\r\n\r\n';
const MAX_ERROR_TEXT = 300;

export class RawConnection {
  private readonly access: Access;
  private readonly socket: TLSSocket;
  private waiting: Waiting | undefined;
  private head: Buffer = Buffer.alloc(0);
  private status = 0;
  private errorText = '';
  private received = 0;
  /** Bytes of the body, or of its present chunk, that are still to come; undefined while a head is read. */
  private left: number | undefined;
  /** The line in which the next chunk's length stands; undefined when the body has a length of its own. */
  private sizeLine: string | undefined;
  private lastChunk = false;

  private constructor(access: Access, socket: TLSSocket) {
    this.access = access;
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (data: Buffer) => this.feed(data));
    socket.on('error', error => this.waiting?.reject(error));
    socket.on('close', () => this.waiting?.reject(new Error('the server closed the connection')));
  }

  static open(access: Access): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const { host, port, tls } = access;
      const socket = connect({ host, port, ...tls, ALPNProtocols: ['http/1.1'] }, () => {
        socket.off('error', reject);
        resolve(new RawConnection(access, socket));
      });
      socket.once('error', reject);
    });
  }

  /** @returns how many bytes the body had @throws Error what the server said, for a status of 400 and above */
  call(method: string, path: string, body = '', contentType = 'application/json'): Promise<number> {
    const { host, port } = this.access;
    const about = body === '' ? '' : `content-type: ${contentType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.socket.write(
        `${method} ${path} HTTP/1.1\r\nhost: ${host}:${port}\r\naccept: application/json\r\n${about}\r\n${body}`,
      );
    });
  }

  close(): void {
    this.waiting = undefined;
    this.socket.destroy();
  }

  private feed(data: Buffer): void {
    let rest = data;
    while (rest.length > 0) {
      if (this.left === undefined) rest = this.readHead(rest);
      else if (this.left > 0) rest = this.readBody(rest);
      else rest = this.readSizeLine(rest);
    }
  }

  private readHead(data: Buffer): Buffer {
    const all = this.head.length === 0 ? data : Buffer.concat([this.head, data]);
    const end = all.indexOf(HEAD_END);
    if (end < 0) {
      this.head = all;
      return Buffer.alloc(0);
    }
    const text = all.toString('latin1', 0, end).toLowerCase();
    this.head = Buffer.alloc(0);
    this.status = Number(text.slice(9, 12));
    this.received = 0;
    this.errorText = '';
    this.lastChunk = false;
    this.left = Number(/content-length: *(\d+)/.exec(text)?.[1] ?? 0);
    this.sizeLine = /transfer-encoding: *chunked/.test(text) ? '' : undefined;
    if (this.left === 0 && this.sizeLine === undefined) this.finish();
    return all.subarray(end + HEAD_END.length);
  }

  private readBody(data: Buffer): Buffer {
    const count = Math.min(this.left ?? 0, data.length);
    if (this.status >= 400 && this.errorText.length < MAX_ERROR_TEXT) this.errorText += data.toString('utf8', 0, count);
    this.left = (this.left ?? 0) - count;
    this.received += count;
    if (this.left === 0 && this.sizeLine === undefined) this.finish();
    return data.subarray(count);
  }

  private readSizeLine(data: Buffer): Buffer {
    const end = data.indexOf(0x0a);
    this.sizeLine += data.toString('latin1', 0, end < 0 ? data.length : end);
    if (end < 0) return Buffer.alloc(0);
    const line = (this.sizeLine ?? '').trim();
    this.sizeLine = '';
    if (line !== '') {
      this.left = parseInt(line, 16);
      this.lastChunk = this.left === 0;
    } else if (this.lastChunk) this.finish();
    return data.subarray(end + 1);
  }

  private finish(): void {
    const { waiting } = this;
    this.left = undefined;
    this.waiting = undefined;
    if (this.status < 400) waiting?.resolve(this.received);
    else waiting?.reject(new Error(`${this.status} ${this.errorText.slice(0, MAX_ERROR_TEXT)}`));
  }
}
