/**
 * Does `work` with each item in batches of 1, 4, 16, ...: as long as none fails the batches grow, so a lasting failure costs little.
 * Source: the idea of upstream's slowStartBatch; batches grow faster because each costs a flush of the store.
 * @throws the first failure, after its batch has ended
 */
import { forAll } from './for-all.ts';

export async function slowStart<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let size = 1, from = 0; from < items.length; from += size, size *= 4) {
    await forAll(items.slice(from, from + size), work);
  }
}
