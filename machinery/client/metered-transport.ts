/** A transport that tells of its calls, once somebody wants to know. */
import { StatusError } from '../meta/status-error.ts';
import type { ApiRequest, Transport, WatchEvent } from './transport.ts';

/**
 * A call or a watch ended; those that the caller broke off are not told.
 * @param code as the server answered; `<error>` when none answered
 */
export type RequestObserver = (method: ApiRequest['method'], code: string, seconds: number) => void;

export class MeteredTransport implements Transport {
  observer: RequestObserver | undefined;
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  async call(request: ApiRequest): Promise<unknown> {
    if (this.observer === undefined) return this.transport.call(request);
    const beganMs = performance.now();
    try {
      const answer = await this.transport.call(request);
      this.tell(request, request.method === 'POST' ? '201' : '200', beganMs);
      return answer;
    } catch (error) {
      if (request.signal?.aborted !== true) this.tell(request, codeOf(error), beganMs);
      throw error;
    }
  }

  watch(request: ApiRequest): AsyncIterable<WatchEvent> {
    return this.observer === undefined ? this.transport.watch(request) : this.meteredWatch(request);
  }

  close(): Promise<void> {
    return this.transport.close();
  }

  private async *meteredWatch(request: ApiRequest): AsyncIterable<WatchEvent> {
    const beganMs = performance.now();
    try {
      yield* this.transport.watch(request);
      this.tell(request, '200', beganMs);
    } catch (error) {
      if (request.signal?.aborted !== true) this.tell(request, codeOf(error), beganMs);
      throw error;
    }
  }

  private tell(request: ApiRequest, code: string, beganMs: number): void {
    this.observer?.(request.method, code, (performance.now() - beganMs) / 1000);
  }
}

function codeOf(error: unknown): string {
  return error instanceof StatusError && error.cause === undefined ? String(error.code) : '<error>';
}
