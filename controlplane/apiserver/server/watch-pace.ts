/**
 * How much a watcher is handed at once of what has gathered for it. A busy server comes back to it once a turn of its event loop: one that takes
 * promptly what it gets is given more each time, so that it does not fall behind; one that is slow holds little, since thousands may be.
 */
import type { Writable } from 'node:stream';
import { BLOCK_BYTES, drained } from './write-blocks.ts';

const FIRST_BLOCK_BYTES = 16 * 1024;
/** Some turns of a busy event loop. */
const PROMPT_MS = 250;

export class WatchPace {
  /** Blocks should be of this size. */
  blockBytes = FIRST_BLOCK_BYTES;
  readonly #promptMs: number;

  /** @param promptMs who has taken a block by then is not slow */
  constructor(promptMs = PROMPT_MS) {
    this.#promptMs = promptMs;
  }

  /** Writes blocks, each made when the one before has gone out. @returns false: the client is gone or was cut */
  async write(body: Writable, blocks: Iterable<Buffer>): Promise<boolean> {
    for (const block of blocks) {
      if (body.destroyed) return false;
      if (body.write(block)) continue;
      const beganMs = performance.now();
      if (!(await drained(body))) return false;
      const isPrompt = performance.now() - beganMs < this.#promptMs;
      this.blockBytes = isPrompt ? Math.min(2 * this.blockBytes, BLOCK_BYTES) : FIRST_BLOCK_BYTES;
    }
    return !body.destroyed;
  }
}
