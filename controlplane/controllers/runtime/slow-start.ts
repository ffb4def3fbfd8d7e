/**
 * Runs `work` `count` times in batches of 1, 4, 16, ...: as long as none fails the batches grow, so a lasting failure costs little.
 * Source: the idea of upstream's slowStartBatch; batches grow faster because each costs a flush of the store.
 * @throws the first failure, after its batch has ended
 */
export async function slowStart(count: number, work: () => Promise<void>): Promise<void> {
  for (let batch = 1, left = count; left > 0; batch *= 4) {
    const size = Math.min(batch, left);
    const outcomes = await Promise.allSettled(Array.from({ length: size }, work));
    const failed = outcomes.find(outcome => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    left -= size;
  }
}
