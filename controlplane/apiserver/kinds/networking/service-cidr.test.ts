import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('ServiceCIDR', () => {
  const table = new KindTable('networking.k8s.io/v1/ServiceCIDR', {
    metadata: { name: 'x' },
    spec: { cidrs: ['10.0.0.0/24'] },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [{ 'spec.cidrs': [] }, ['spec.cidrs: Required value: at least one CIDR required']],
    [
      { 'spec.cidrs': ['10.0.0.1/24'] },
      ['spec.cidrs[0]: Invalid value: "10.0.0.1/24": must not have bits set beyond the prefix length'],
    ],
    [
      { 'spec.cidrs': ['x'] },
      ['spec.cidrs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'],
    ],
    [
      { 'spec.cidrs': ['10.0.0.0/24', '10.1.0.0/24'] },
      [
        'spec.cidrs: Invalid value: ["10.0.0.0/24","10.1.0.0/24"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
      ],
    ],
    [{ 'spec.cidrs': ['10.0.0.0/24', 'fd00::/112'] }, []],
    [
      { 'spec.cidrs': ['10.0.0.0/24', 'fd00::/112', '10.2.0.0/24'] },
      ['spec.cidrs: Invalid value: {"cidrs":["10.0.0.0/24","fd00::/112","10.2.0.0/24"]}: may only hold up to 2 values'],
    ],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });

  test.each<[Change, Change, string[]]>([
    [{}, { 'spec.cidrs': ['10.1.0.0/24'] }, ['spec.cidrs[0]: Invalid value: "10.1.0.0/24": field is immutable']],
    [{}, { 'spec.cidrs': ['10.0.0.0/24', 'fd00::/112'] }, []],
  ])('%j updated with %j', (from, change, errors) => {
    expect(table.updateErrors(change, from)).toEqual(errors);
  });
});
