/**
 * Which user and group ids of the node belong to the user namespaces of pods.
 * Source: KEP-127; kubernetes 1.36 `pkg/kubelet/userns`; subuid(5).
 */

/** Ids of the node, cut into parts of equal size, one for a pod. */
export interface IdRange {
  readonly first: number;
  readonly perPod: number;
  /** How many pods it is for. */
  readonly pods: number;
}

/** Whose lines in /etc/subuid and /etc/subgid count. */
const USER = 'kubelet';
const MAX_ID = 2 ** 32;

/**
 * The range that the node's administrator gave, or as many ids as there may be pods, from the first that is no one's.
 * @returns in words what is wrong instead
 */
export function podIdRange(subuid: string, subgid: string, perPod: number, maxPods: number): IdRange | string {
  const [uids, gids] = [rangeOf(subuid), rangeOf(subgid)];
  if (uids === undefined && gids === undefined) {
    const pods = Math.min(maxPods, Math.floor(MAX_ID / perPod) - 1);
    return { first: perPod, perPod, pods };
  }
  if (uids?.first !== gids?.first || uids?.length !== gids?.length || uids === undefined)
    return `the ranges of ${USER} in /etc/subuid and /etc/subgid must be the same`;
  const { first, length } = uids;
  const where = `the range of ${USER} in /etc/subuid (${first}:${length})`;
  if (first < perPod || first % perPod !== 0) return `${where} must begin with a multiple of ${perPod} that is not 0`;
  if (length % perPod !== 0) return `the length of ${where} must be a multiple of ${perPod}`;
  if (length / perPod < maxPods) return `${where} is not enough for ${maxPods} pods of ${perPod} ids each`;
  return { first, perPod, pods: length / perPod };
}

function rangeOf(text: string): { first: number; length: number } | undefined {
  const line = text.split('\n').find(entry => entry.startsWith(`${USER}:`));
  const [, first, length] = line?.split(':') ?? [];
  return line === undefined ? undefined : { first: Number(first), length: Number(length) };
}

/** The first id of the first part that nobody has; undefined if all are taken. */
export function freePart({ first, perPod, pods }: IdRange, taken: ReadonlySet<number>): number | undefined {
  for (let part = 0; part < pods; part++) {
    const id = first + part * perPod;
    if (!taken.has(id)) return id;
  }
  return undefined;
}
