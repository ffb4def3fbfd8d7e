/**
 * Which lines of `ip -o monitor link address route netconf` may mean that something of the pod network changed that we did not change
 * ourselves. Links and addresses of pods come and go with each pod: a line about those must not cost a look at everything.
 */
import { ROUTE_PROTOCOL } from './pod-routes.ts';

/** `7: k8ts0: <...` or `7: k8ts0    inet 10.244.0.1/24 ...`, an `@` and the peer's name after it where there is one. */
const OF_LINK = /^(Deleted )?\d+: ([^\s:@]+)/;
const OF_SETTING = /^(Deleted )?inet6? /;
const FORWARDING_OFF = /^inet6? all forwarding off/;
const BY_US = new RegExp(` proto ${ROUTE_PROTOCOL}(\\s|$)`);
/** The kernel's own entries for addresses, and IPv6's for every link. */
const BY_KERNEL = /^(local|broadcast|multicast|anycast|fe80::\S*) | table local/;
const OF_POD = / dev veth/;
const GONE = 'Deleted ';

/** @param own the links that the pod network stands on: its bridges and tunnels, and the one that carries the node's address */
export function isRelevant(line: string, own: ReadonlySet<string>): boolean {
  const [, , link] = OF_LINK.exec(line) ?? [];
  if (link !== undefined) return own.has(link);
  if (OF_SETTING.test(line)) return FORWARDING_OFF.test(line);
  const isGone = line.startsWith(GONE);
  if (BY_KERNEL.test(isGone ? line.slice(GONE.length) : line) || OF_POD.test(line)) return false;
  // A route of ours that comes is our own doing; one that goes need not be.
  return line.trim() !== '' && (isGone || !BY_US.test(line));
}
