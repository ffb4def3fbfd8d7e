/**
 * What an object says, whatever form it came in: without nulls, zeros and what is empty, which some forms write and others leave out, and
 * without apiVersion and kind of objects inside objects, which protobuf does not write. Entries of maps stay.
 */
export function essence(value: unknown): unknown {
  return pruned(value, true);
}

function pruned(value: unknown, isTop: boolean): unknown {
  if (Array.isArray(value)) return value.map(item => pruned(item, false) ?? {});
  if (typeof value !== 'object' || value === null) return isZero(value) ? undefined : value;
  const kept: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (!isTop && 'metadata' in value && (key === 'apiVersion' || key === 'kind')) continue;
    const child = pruned(inner, false);
    if (child !== undefined && !(Array.isArray(child) && child.length === 0))
      Object.defineProperty(kept, key, { value: child, enumerable: true, configurable: true, writable: true });
  }
  return Object.keys(kept).length === 0 ? undefined : kept;
}

function isZero(value: unknown): boolean {
  return value === null || value === undefined || value === '' || value === '0' || value === '0s' || value === 0 || value === false;
}
