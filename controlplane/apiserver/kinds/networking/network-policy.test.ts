import { describe, expect, test } from '@jest/globals';
import { KindTable, type Change } from '../testdata/kind-table.ts';

describe('NetworkPolicy', () => {
  const table = new KindTable('networking.k8s.io/v1/NetworkPolicy', {
    metadata: { name: 'x', namespace: 'default' },
    spec: {
      podSelector: { matchLabels: { a: 'b' } },
      ingress: [{ ports: [{ port: 80 }], from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }] }],
      egress: [{ to: [{ podSelector: {} }] }],
    },
  });

  test.each<[Change, string[]]>([
    [{}, []],
    [
      { 'spec.ingress.0.ports.0.port': 0 },
      ['spec.ingress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive'],
    ],
    [
      { 'spec.ingress.0.ports.0.port': 'a_b' },
      [
        'spec.ingress[0].ports[0].port: Invalid value: "a_b": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
      ],
    ],
    [
      { 'spec.ingress.0.ports.0.protocol': 'X' },
      ['spec.ingress[0].ports[0].protocol: Unsupported value: "X": supported values: "TCP", "UDP", "SCTP"'],
    ],
    [{ 'spec.ingress.0.from.0.ipBlock.cidr': '' }, ['spec.ingress[0].from[0].ipBlock.cidr: Required value']],
    [
      { 'spec.ingress.0.from.0.ipBlock.cidr': 'foo' },
      [
        'spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "foo": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      ],
    ],
    [
      { 'spec.ingress.0.from.0.ipBlock.except': ['11.0.0.0/9', 'x'] },
      [
        'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/9": must be a strict subset of `cidr`',
        'spec.ingress[0].from[0].ipBlock.except[1]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      ],
    ],
    [
      { 'spec.ingress.0.from.0.podSelector': {} },
      ['spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer'],
    ],
    [{ 'spec.ingress.0.from.0': {} }, ['spec.ingress[0].from[0]: Required value: must specify a peer']],
    [
      { 'spec.policyTypes': ['A', 'Ingress', 'Egress'] },
      ['spec.policyTypes: Invalid value: ["A","Ingress","Egress"]: may not specify more than two policyTypes'],
    ],
    [
      { 'spec.policyTypes': ['A'] },
      ['spec.policyTypes[0]: Unsupported value: "A": supported values: "Ingress", "Egress"'],
    ],
    [
      { 'spec.podSelector': { matchExpressions: [{ key: 'a', operator: 'X' }] } },
      ['spec.podSelector.matchExpressions[0].operator: Invalid value: "X": not a valid selector operator'],
    ],
    [{ spec: {} }, []],
  ])('created with %j', (change, errors) => {
    expect(table.createErrors(change)).toEqual(errors);
  });
});
