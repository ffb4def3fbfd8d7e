/**
 * Does `work` with all items at once and waits for every one, whatever becomes of the others: nothing goes on behind the caller's back.
 * @throws the first failure
 */
export async function forAll<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const outcomes = await Promise.allSettled(items.map(work));
  const failed = outcomes.find(outcome => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
