/** Which runtimes mount images as volumes. CRI has no word for it, so it goes by their versions. Pure. */

/** First versions that can, by the name that the runtime gives itself. */
const SINCE: Readonly<Record<string, readonly [major: number, minor: number]>> = {
  containerd: [2, 1],
  'cri-o': [1, 31],
};

/** Why the runtime cannot; undefined: it can, or is not known here and will say so itself. */
export function imageVolumesRefused(runtimeName: string, runtimeVersion: string): string | undefined {
  const since = SINCE[runtimeName];
  const found = /^v?(\d+)\.(\d+)/.exec(runtimeVersion);
  if (since === undefined || found === null) return undefined;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  if (major > since[0] || (major === since[0] && minor >= since[1])) return undefined;
  return `the container runtime ${runtimeName} ${runtimeVersion} cannot mount images as volumes; that takes ${since.join('.')} or newer`;
}
