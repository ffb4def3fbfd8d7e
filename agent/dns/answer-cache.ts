/**
 * Answers about the cluster as bytes, by the bytes of their question: what is asked over and over is answered by one look and one copy.
 *
 * - An answer depends on nothing but the packet (without its id) and the objects; it goes when an object it was made of changes.
 * - Bounded in number; the packets in it are short ones. Who asks each name in a thousand spellings pushes out others' answers, no more.
 * - Several addresses are turned round by one at each use, so that clients that take the first are spread.
 */
import { LRUCache } from 'lru-cache';
import type { EncodedMessage } from './plan/encode-message.ts';

export interface CachedAnswer {
  readonly message: EncodedMessage;
  /** The service it is about (`namespace/name`); empty if any change of any service may change it. */
  readonly subject: string;
  /** For metrics. */
  readonly type: string;
  readonly rcode: string;
  uses: number;
}

const MAX_QUESTION_BYTES = 300;
const ID_BYTES = 2;

export class AnswerCache {
  private readonly answers: LRUCache<string, CachedAnswer>;
  private readonly keysOf = new Map<string, Set<string>>();

  constructor(maxAnswers = 4_096) {
    this.answers = new LRUCache({
      max: maxAnswers,
      maxSize: 1024 * 1024,
      sizeCalculation: ({ message }, key) => message.bytes.length + key.length + 100,
      dispose: ({ subject }, key) => {
        const keys = this.keysOf.get(subject);
        keys?.delete(key);
        if (keys?.size === 0) this.keysOf.delete(subject);
      },
    });
  }

  get size(): number {
    return this.answers.size;
  }

  /** What the answer to a packet depends on; undefined if it is too long to be kept. */
  static keyOf(packet: Buffer, transport: 'udp' | 'tcp'): string | undefined {
    if (packet.length > MAX_QUESTION_BYTES) return undefined;
    const rest = packet.toString('latin1', ID_BYTES);
    return transport === 'udp' ? rest : `t${rest}`;
  }

  get(key: string): CachedAnswer | undefined {
    return this.answers.get(key);
  }

  set(key: string, answer: CachedAnswer): void {
    this.answers.set(key, answer);
    if (!this.answers.has(key)) return;
    const keys = this.keysOf.get(answer.subject);
    if (keys === undefined) this.keysOf.set(answer.subject, new Set([key]));
    else keys.add(key);
  }

  /** That service, or one of its slices, is different now. */
  changed(service: string): void {
    if (this.answers.size === 0) return;
    for (const subject of [service, ''])
      for (const key of [...(this.keysOf.get(subject) ?? [])]) this.answers.delete(key);
  }

  /** Everything may be different: namespaces, or who is synced. */
  clear(): void {
    this.answers.clear();
  }
}

/** The answer for one client: its id, and the addresses in another order each time. */
export function personalAnswer({ message, uses }: CachedAnswer, packet: Buffer): Buffer {
  const { bytes, addresses } = message;
  const answer = Buffer.allocUnsafe(bytes.length);
  bytes.copy(answer);
  if (addresses !== undefined) {
    const end = addresses.at + addresses.size * addresses.count;
    const turned = addresses.size * (uses % addresses.count);
    bytes.copy(answer, addresses.at, addresses.at + turned, end);
    bytes.copy(answer, end - turned, addresses.at, addresses.at + turned);
  }
  packet.copy(answer, 0, 0, ID_BYTES);
  return answer;
}
