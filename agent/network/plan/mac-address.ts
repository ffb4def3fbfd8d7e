/**
 * Hardware addresses that follow from names, so that nobody has to tell them.
 *
 * - A tunnel's end has one that follows from its node's name: every node knows those of all others as soon as it knows the Node
 *   objects, without a further write to the API and without waiting for one; and it stays when the node's address changes.
 * - The bridge's follows from the node's name and the bridge's: made anew, it is at once what pods remember of their gateway.
 */
import { createHash } from 'node:crypto';

/** A unicast address of the locally administered sort, such as `02:5f:0a:...`; the same words, the same address. */
export function macAddressOf(...words: readonly string[]): string {
  const digest = createHash('sha256').update(words.join('\0')).digest();
  return ['02', ...[...digest.subarray(0, 5)].map(byte => byte.toString(16).padStart(2, '0'))].join(':');
}

/** Of the tunnel's end on a node. */
export function tunnelMacOf(nodeName: string): string {
  return macAddressOf('k8ts tunnel', nodeName);
}
