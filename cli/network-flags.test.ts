import { expect, test } from '@jest/globals';
import { networkProblems } from './network-flags.ts';

const right = { podNetwork: 'auto', podBridge: 'k8ts0', vxlanId: 84, vxlanPort: 8472 };

test.each([
  ['all as it is', {}, undefined],
  ['tunnels only', { podNetwork: 'vxlan' }, undefined],
  ['another network', { podNetwork: 'none' }, undefined],
  ['an unknown way', { podNetwork: 'ipip' }, '--pod-network: "ipip" is none of auto, routes, vxlan, none'],
  ['a long name', { podBridge: 'a-very-long-name' }, '--pod-bridge: "a-very-long-name" is no interface name'],
  ['a number that VXLAN has not', { vxlanId: 2 ** 24 }, '--vxlan-id: 16777216 is no number of a VXLAN network'],
  ['half a number', { vxlanId: 1.5 }, '--vxlan-id: 1.5 is no number'],
  ['no port', { vxlanPort: 0 }, '--vxlan-port: 0 is no port (1 to 65535)'],
])('networkProblems() with %s', (_, flags, want) => {
  const problems = networkProblems({ ...right, ...flags });
  expect(problems).toEqual(want === undefined ? [] : [expect.stringContaining(want)]);
});
