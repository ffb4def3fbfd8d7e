/**
 * One request on its way through the filters: what they have found out so far, and what they want said in the answer.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { RequestInfo } from './request-info.ts';
import type { Request, Response, UserInfo } from './request.ts';

const NOBODY: UserInfo = { name: '', groups: [] };

export class Exchange {
  readonly request: Request;
  /** Set by the request-info filter, before anything that reads it. */
  readonly info: RequestInfo;
  /** Milliseconds since the epoch at the start. */
  readonly nowMs: number;
  /** Set by authenticate, changed by impersonation. */
  user: UserInfo = NOBODY;
  readonly #clock: Clock;
  #warnings: string[] | undefined;
  #auditId: string | undefined;

  constructor(request: Request, info: RequestInfo, clock: Clock) {
    this.request = request;
    this.info = info;
    this.nowMs = clock.now();
    this.#clock = clock;
  }

  /** Milliseconds since the epoch now, for what lives long. */
  now(): number {
    return this.#clock.now();
  }

  /** Says `text` to the client in a Warning header, once. */
  warn(text: string): void {
    this.#warnings ??= [];
    if (!this.#warnings.includes(text)) this.#warnings.push(text);
  }

  get warnings(): readonly string[] {
    return this.#warnings ?? [];
  }

  /** The client's Audit-ID or one made up. */
  get auditId(): string {
    if (this.#auditId === undefined) {
      const given = this.request.headers['audit-id'];
      this.#auditId = typeof given === 'string' && given.length <= 64 ? given : randomUUID();
    }
    return this.#auditId;
  }
}

export type Handler = (exchange: Exchange) => Promise<Response>;

/** Sees a request before and after everything behind it in the chain. */
export type Filter = (exchange: Exchange, next: Handler) => Promise<Response>;

/** One handler out of filters, the first outermost, and what answers in the end. Built once. */
export function compose(filters: readonly Filter[], handler: Handler): Handler {
  return filters.reduceRight<Handler>((next, filter) => exchange => filter(exchange, next), handler);
}
