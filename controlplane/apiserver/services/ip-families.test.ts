import { expect, test } from '@jest/globals';
import type { ServiceSpec } from '../../../proto/api/core-v1.ts';
import type { Family } from './address-range.ts';
import { settleFamilies } from './ip-families.ts';

const SINGLE: Family[] = ['IPv4'];
const DUAL: Family[] = ['IPv4', 'IPv6'];
const POLICY = 'spec.ipFamilyPolicy: Invalid value: ';

/** [name, cluster, spec, older spec, families and policy afterwards or the errors] */
test.each<[string, Family[], ServiceSpec, ServiceSpec | undefined, string[]]>([
  ['nothing said', SINGLE, {}, undefined, ['SingleStack', 'IPv4']],
  [
    'dual preferred on one family',
    SINGLE,
    { ipFamilyPolicy: 'PreferDualStack' },
    undefined,
    ['PreferDualStack', 'IPv4'],
  ],
  [
    'dual preferred on two',
    DUAL,
    { ipFamilyPolicy: 'PreferDualStack' },
    undefined,
    ['PreferDualStack', 'IPv4', 'IPv6'],
  ],
  [
    'dual required, other one first',
    DUAL,
    { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6'] },
    undefined,
    ['RequireDualStack', 'IPv6', 'IPv4'],
  ],
  [
    'family of the address',
    DUAL,
    { clusterIP: 'fd00::5', clusterIPs: ['fd00::5'] },
    undefined,
    ['SingleStack', 'IPv6'],
  ],
  [
    'headless without selector',
    SINGLE,
    { clusterIP: 'None', clusterIPs: ['None'] },
    undefined,
    ['RequireDualStack', 'IPv4', 'IPv6'],
  ],
  [
    'headless with selector',
    SINGLE,
    { clusterIP: 'None', clusterIPs: ['None'], selector: { a: 'b' } },
    undefined,
    ['SingleStack', 'IPv4'],
  ],
  [
    'dual required on one family',
    SINGLE,
    { ipFamilyPolicy: 'RequireDualStack' },
    undefined,
    [`${POLICY}"RequireDualStack": this cluster is not configured for dual-stack services`],
  ],
  [
    'family that is not there',
    SINGLE,
    { ipFamilies: ['IPv6'] },
    undefined,
    ['spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'],
  ],
  [
    'address of such a family',
    SINGLE,
    { clusterIP: 'fd00::5', clusterIPs: ['fd00::5'] },
    undefined,
    ['spec.clusterIPs[0]: Invalid value: ["fd00::5"]: IPv6 is not configured on this cluster'],
  ],
  [
    'two families with one stack',
    DUAL,
    { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4', 'IPv6'] },
    undefined,
    [`${POLICY}"SingleStack": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified`],
  ],
  ['family twice', DUAL, { ipFamilies: ['IPv4', 'IPv4'] }, undefined, ['spec.ipFamilies[1]: Duplicate value: "IPv4"']],
  [
    'address of the other family',
    DUAL,
    { ipFamilies: ['IPv6'], clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'] },
    undefined,
    ['spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`'],
  ],
  [
    'downgrade by the policy alone',
    DUAL,
    {
      ipFamilyPolicy: 'SingleStack',
      ipFamilies: ['IPv4', 'IPv6'],
      clusterIP: '10.0.0.1',
      clusterIPs: ['10.0.0.1', 'fd00::1'],
    },
    {
      ipFamilyPolicy: 'RequireDualStack',
      ipFamilies: ['IPv4', 'IPv6'],
      clusterIP: '10.0.0.1',
      clusterIPs: ['10.0.0.1', 'fd00::1'],
    },
    ['SingleStack', 'IPv4'],
  ],
  [
    'downgrade without the policy',
    DUAL,
    { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4'], clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'] },
    {
      ipFamilyPolicy: 'RequireDualStack',
      ipFamilies: ['IPv4', 'IPv6'],
      clusterIP: '10.0.0.1',
      clusterIPs: ['10.0.0.1', 'fd00::1'],
    },
    [
      `${POLICY}"RequireDualStack": must be 'SingleStack' to release the secondary cluster IP`,
      `${POLICY}"RequireDualStack": must be 'SingleStack' to release the secondary IP family`,
    ],
  ],
  [
    'upgrade',
    DUAL,
    { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4'], clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'] },
    { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4'], clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'] },
    ['RequireDualStack', 'IPv4', 'IPv6'],
  ],
])('settleFamilies(): %s', (_name, cluster, given, older, want) => {
  const spec: ServiceSpec = { type: 'ClusterIP', ...given };
  const errors = settleFamilies(spec, older === undefined ? undefined : { type: 'ClusterIP', ...older }, cluster);
  expect(errors.length > 0 ? errors.map(String) : [spec.ipFamilyPolicy, ...(spec.ipFamilies ?? [])]).toEqual(want);
});
