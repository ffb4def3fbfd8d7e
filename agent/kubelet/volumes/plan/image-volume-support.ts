/** Which runtimes mount images as volumes. CRI has no word for it, so it goes by their versions. Pure. */

type Version = readonly [major: number, minor: number];

/** First versions that can, by the name that the runtime gives itself. Older ones mount the whole image where a part is asked for. */
const SINCE: Readonly<Record<string, { readonly whole: Version; readonly part: Version }>> = {
  containerd: { whole: [2, 1], part: [2, 2] },
  'cri-o': { whole: [1, 31], part: [1, 33] },
};

/**
 * Why the runtime cannot; undefined: it can, or is not known here and will say so itself.
 * @param use the whole image, or parts of it (`subPath`)
 */
export function imageVolumesRefused(
  runtimeName: string,
  runtimeVersion: string,
  use: 'whole' | 'part',
): string | undefined {
  const since = SINCE[runtimeName]?.[use];
  const found = /^v?(\d+)\.(\d+)/.exec(runtimeVersion);
  if (since === undefined || found === null) return undefined;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  if (major > since[0] || (major === since[0] && minor >= since[1])) return undefined;
  const what = use === 'whole' ? 'images as volumes' : 'parts of images as volumes (subPath)';
  return `the container runtime ${runtimeName} ${runtimeVersion} cannot mount ${what}; that takes ${since.join('.')} or newer`;
}
