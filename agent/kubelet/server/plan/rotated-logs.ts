/** Names of a log's rotated files: `0.log.YYYYMMDD-HHMMSS`, later `.gz`. Pure. */

const GZ = '.gz';

/**
 * Rotated files of `log`, oldest first; each once, though it may be there plain and compressed while the one is made of the other.
 * @param names in the log's folder
 */
export function rotatedLogs(log: string, names: readonly string[]): string[] {
  const rotated = new Set(names.filter(name => name.startsWith(`${log}.`) && !name.endsWith('.tmp')));
  return [...rotated].filter(name => !(isCompressed(name) && rotated.has(plainName(name)))).sort();
}

export function isCompressed(name: string): boolean {
  return name.endsWith(GZ);
}

/** The name before it was compressed. */
export function plainName(name: string): string {
  return isCompressed(name) ? name.slice(0, -GZ.length) : name;
}
