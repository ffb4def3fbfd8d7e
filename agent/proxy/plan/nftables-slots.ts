/**
 * Endpoints by slot. The kernel chooses a slot from 0 to their number, so there may be no gap; who stays keeps his slot where that can be, so
 * that one endpoint more or less is one element more or less, of thousands too.
 *
 * @param before what stands there
 * @param wanted without duplicates, in any order
 */
export function assignSlots(before: readonly string[] | undefined, wanted: readonly string[]): readonly string[] {
  if (before === undefined || before.length === 0) return wanted;
  const homeless = new Set(wanted);
  const kept = wanted.map((_, slot) => {
    const endpoint = before[slot];
    return endpoint !== undefined && homeless.delete(endpoint) ? endpoint : undefined;
  });
  const rest = homeless.values();
  return kept.map(endpoint => endpoint ?? rest.next().value ?? '');
}
