import { describe, expect, test } from '@jest/globals';
import { proxyProblems } from './proxy-flags.ts';

const defaults = {
  proxyMode: 'auto',
  proxyMasqueradeBit: 14,
  proxyMetricsBindAddress: '127.0.0.1:10249',
  proxyHealthzBindAddress: '0.0.0.0:10256',
};

describe('proxyProblems()', () => {
  test.each([
    {},
    { proxyMode: 'nftables', nodeportAddresses: ['192.0.2.0/24', 'fd00::/8'] },
    { nodeportAddresses: ['primary'] },
    { proxyMetricsBindAddress: 'none', proxyHealthzBindAddress: '[::]:10256' },
  ])('%j is right', flags => {
    expect(proxyProblems({ ...defaults, ...flags })).toEqual([]);
  });

  test.each([
    { flags: { proxyMode: 'ipvs' }, names: '--proxy-mode: "ipvs"' },
    { flags: { nodeportAddresses: ['192.0.2.1'] }, names: '--nodeport-addresses: "192.0.2.1"' },
    { flags: { nodeportAddresses: ['10/8'] }, names: '--nodeport-addresses: "10/8"' },
    { flags: { nodeportAddresses: ['primary', '192.0.2.0/24'] }, names: '--nodeport-addresses: "primary"' },
    { flags: { proxyMasqueradeBit: 32 }, names: '--proxy-masquerade-bit: 32' },
    { flags: { proxyMasqueradeBit: 1.5 }, names: '--proxy-masquerade-bit: 1.5' },
    { flags: { proxyMetricsBindAddress: '10249' }, names: '--proxy-metrics-bind-address: "10249"' },
    { flags: { proxyHealthzBindAddress: 'localhost:1' }, names: '--proxy-healthz-bind-address: "localhost:1"' },
  ])('$flags is told of', ({ flags, names }) => {
    const problems = proxyProblems({ ...defaults, ...flags });
    expect(problems).toEqual([expect.stringContaining(names)]);
  });
});
