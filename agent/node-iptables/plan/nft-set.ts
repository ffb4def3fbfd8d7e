/** How sets and maps of nftables are declared. Source: nft(8), version 1.0.6. */
import { quoted, safeText } from './nft-text.ts';

/**
 * `interval`: keys may be prefixes and ranges. `timeout`: elements may end by themselves. `dynamic`: rules may add elements.
 * `constant`: filled when made, never changed.
 */
export type NftSetFlag = 'constant' | 'dynamic' | 'interval' | 'timeout';

/** Type of the keys, `ipv4_addr . inet_proto . inet_service`, for a map followed by ` : verdict` and the like. */
export type NftSetType =
  | { readonly type: string; readonly typeof?: never }
  /** By expressions, `ip daddr . meta l4proto . th dport : verdict`, for keys that have no type name. */
  | { readonly typeof: string; readonly type?: never };

/** A set's or map's declaration. Two declarations of one name must be equal but for comment and elements. */
export type NftSetSpec = NftSetType & {
  readonly flags?: readonly NftSetFlag[];
  /** At most so many elements; needed for `dynamic`, where the default is 65,535. */
  readonly size?: number;
  /** Age of elements that say nothing themselves. */
  readonly timeoutSeconds?: number;
  readonly gcIntervalSeconds?: number;
  /** Overlapping intervals become one; elements read back are then others than those written. */
  readonly autoMerge?: boolean;
  /** Every element counts packets and bytes. */
  readonly counter?: boolean;
  /** At most 128 bytes. */
  readonly comment?: string;
  /** Elements that it starts with. A `constant` one can get its elements only here. */
  readonly elements?: readonly string[];
};

/** What stands between the braces of a declaration, with a space in front. @throws RangeError on what cannot be said */
export function renderSetBody(spec: NftSetSpec): string {
  const parts = [spec.type !== undefined ? `type ${safeText(spec.type)}` : `typeof ${safeText(spec.typeof)}`];
  if (spec.flags !== undefined && spec.flags.length > 0) parts.push(`flags ${spec.flags.join(',')}`);
  if (spec.size !== undefined) parts.push(`size ${spec.size}`);
  if (spec.timeoutSeconds !== undefined) parts.push(`timeout ${spec.timeoutSeconds}s`);
  if (spec.gcIntervalSeconds !== undefined) parts.push(`gc-interval ${spec.gcIntervalSeconds}s`);
  if (spec.autoMerge === true) parts.push('auto-merge');
  if (spec.counter === true) parts.push('counter');
  if (spec.comment !== undefined) parts.push(`comment ${quoted(spec.comment)}`);
  if (spec.elements !== undefined && spec.elements.length > 0)
    parts.push(`elements = { ${spec.elements.map(safeText).join(', ')} }`);
  return parts.map(part => ` ${part} ;`).join('');
}
