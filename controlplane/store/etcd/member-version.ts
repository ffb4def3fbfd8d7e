/** What etcd's versions differ in, as far as it matters here. */

/** The oldest that can be worked with. */
const OLDEST = [3, 4] as const;

/** [major, minor, patch]; undefined if it is no version. */
function parse(version: string): [number, number, number] | undefined {
  const [, major, minor, patch] = /^(\d+)\.(\d+)\.(\d+)/.exec(version) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor), Number(patch)];
}

/** Whether it has all that is needed: fragments of watches, members that say when they lost their leader. */
export function isSupported(version: string): boolean {
  const [major = 0, minor = 0] = parse(version) ?? [];
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

/**
 * Whether an answer to "how far is this watch?" comes after all events up to then. Before 3.4.25 and 3.5.8 it may overtake them
 * (etcd issue 15220).
 */
export function answersProgressInOrder(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = parse(version) ?? [];
  if (major !== 3) return major > 3;
  return minor > 5 || (minor === 5 && patch >= 8) || (minor === 4 && patch >= 25);
}
