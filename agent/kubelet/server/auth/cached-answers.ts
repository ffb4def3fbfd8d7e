/** Answers of the API server, kept for a while; whoever asks the same at the same time waits for the same answer. Failures are not kept. */
import { LRUCache } from 'lru-cache';

const SIZE = 4096;

export class CachedAnswers<T extends object> {
  private readonly known = new LRUCache<string, T>({ max: SIZE });
  private readonly asked = new Map<string, Promise<T>>();
  private readonly ttlMs: (answer: T) => number;

  /** @param ttlMs how long an answer is kept; 0: not at all */
  constructor(ttlMs: (answer: T) => number) {
    this.ttlMs = ttlMs;
  }

  /** @throws what `ask` throws */
  async get(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const running = this.asked.get(key);
    if (running !== undefined) return running;
    const asking = ask().finally(() => this.asked.delete(key));
    this.asked.set(key, asking);
    const answer = await asking;
    const ttl = this.ttlMs(answer);
    if (ttl > 0) this.known.set(key, answer, { ttl });
    return answer;
  }
}
