import { expect, test } from '@jest/globals';
import { decideMode } from './decide-mode.ts';
import type { FilterFacts } from './decide-mode.ts';

const both = (foreign: ('nft' | 'legacy')[] = []): FilterFacts => ({
  nftables: true,
  defaultVariant: 'nft',
  iptables: (['nft', 'legacy'] as const).map(variant => ({ variant, foreignRules: foreign.includes(variant) })),
});
const noNft = { ...both(), nftables: false };
const nothing: FilterFacts = { nftables: false, iptables: [] };
const nftAlone: FilterFacts = { nftables: true, iptables: [] };

test.each([
  { wanted: 'auto', name: 'a bare host', facts: both(), want: 'nftables nftables' },
  { wanted: 'auto', name: 'rules in iptables-nft', facts: both(['nft']), want: 'iptables iptables nft' },
  { wanted: 'auto', name: 'rules in iptables-legacy', facts: both(['legacy']), want: 'iptables iptables legacy' },
  { wanted: 'auto', name: 'rules in both', facts: both(['nft', 'legacy']), want: 'iptables iptables nft' },
  { wanted: 'auto', name: 'no nft', facts: noNft, want: 'iptables iptables nft' },
  { wanted: 'auto', name: 'nft alone', facts: nftAlone, want: 'nftables nftables' },
  { wanted: 'auto', name: 'nothing', facts: nothing, want: 'userspace none' },
  { wanted: 'iptables', name: 'a bare host', facts: both(), want: 'iptables iptables nft' },
  { wanted: 'iptables', name: 'nft alone', facts: nftAlone, want: 'problem' },
  { wanted: 'nftables', name: 'rules in iptables-nft', facts: both(['nft']), want: 'nftables nftables' },
  { wanted: 'nftables', name: 'no nft', facts: noNft, want: 'problem' },
  { wanted: 'userspace', name: 'rules in iptables-legacy', facts: both(['legacy']), want: 'userspace iptables legacy' },
  { wanted: 'userspace', name: 'nothing', facts: nothing, want: 'userspace none' },
] as const)('decideMode() $wanted with $name: $want', ({ wanted, facts, want }) => {
  const choice = decideMode(wanted, facts);
  if ('problem' in choice) return expect(want).toBe('problem');
  expect([choice.mode, choice.packetFilter, choice.iptablesVariant].filter(Boolean).join(' ')).toBe(want);
  expect(choice.reason).not.toBe('');
});
