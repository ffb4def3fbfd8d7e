/**
 * Joins two connections byte by byte. What one side said before it went is still delivered to the other, however slowly that reads.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SpdyGuard } from './spdy-guard.ts';

/** How long a side that is over may take no byte of what is left for it. */
const LINGER_MS = 30_000;

export interface JoinOptions {
  /** No byte passes for so long: both are closed. Default: never. */
  readonly idleMs?: number;
  /** Looks at what the left side says, and hears the right one; an error of it ends both. */
  readonly guard?: SpdyGuard;
}

/** @returns resolves when both are closed */
export function joinSockets(left: Duplex, right: Duplex, { idleMs = 0, guard }: JoinOptions = {}): Promise<void> {
  const finishing = new Set<Duplex>();
  const destroyBoth = (): void => {
    left.destroy();
    right.destroy();
  };
  const join = (from: Duplex, to: Duplex): Promise<void> => {
    if (from instanceof Socket) {
      from.setNoDelay(true);
      from.setKeepAlive(true);
      // Counts both directions: whatever passes, passes either socket.
      from.setTimeout(idleMs, destroyBoth);
    }
    from.on('error', () => from.destroy());
    if (from === left && guard !== undefined) from.pipe(guard).pipe(to);
    else {
      if (guard !== undefined) from.on('data', (chunk: Buffer) => guard.heard(chunk));
      from.pipe(to);
    }
    return new Promise(resolve => {
      from.once('close', () => {
        finish(to);
        resolve();
      });
    });
  };
  const finish = (side: Duplex): void => {
    if (side.destroyed || finishing.has(side)) return;
    finishing.add(side);
    side.resume();
    if (!(side instanceof Socket)) {
      side.end(() => side.destroy());
      return;
    }
    side.setTimeout(LINGER_MS, destroyBoth);
    side.destroySoon();
  };
  guard?.once('error', destroyBoth);
  return Promise.all([join(left, right), join(right, left)]).then(() => void guard?.destroy());
}
