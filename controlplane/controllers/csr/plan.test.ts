import { describe, expect, test } from '@jest/globals';
import type { CertificateSigningRequest } from '../../../proto/api/certificates-v1.ts';
import { KUBELET_CLIENT, KUBELET_SERVING, planApproval, signingProblem, type RequestContent } from './plan.ts';

function csr(signerName: string, username: string, groups: string[], usage: string): CertificateSigningRequest {
  const usages = ['digital signature', usage] as CertificateSigningRequest['spec']['usages'];
  return { metadata: { name: 'x' }, spec: { request: '', signerName, username, groups, ...(usages && { usages }) } };
}

function content(more: Partial<RequestContent> = {}): RequestContent {
  const subject = { commonName: 'system:node:w1', organizations: ['system:nodes'] };
  return { subject, dnsNames: [], ipAddresses: [], hasOtherNames: false, ...more };
}

const nobody = { own: undefined, others: new Set<string>() };
const bootstrapper = ['system:bootstrappers', 'system:authenticated'];
const node = ['system:nodes', 'system:authenticated'];

describe('planApproval() of a client certificate', () => {
  test.each([
    { name: 'a machine that joins', username: 'system:bootstrap:abc', groups: bootstrapper, want: 'approve' },
    { name: 'the node itself', username: 'system:node:w1', groups: node, want: 'approve' },
    { name: 'another node', username: 'system:node:w2', groups: node, want: 'leave' },
    { name: 'a user', username: 'tester', groups: ['system:authenticated'], want: 'leave' },
  ] as const)('for $name: $want', ({ username, groups, want }) => {
    expect(planApproval(csr(KUBELET_CLIENT, username, [...groups], 'client auth'), content(), nobody)).toBe(want);
  });
});

describe('planApproval() of a serving certificate', () => {
  const serving = csr(KUBELET_SERVING, 'system:node:w1', node, 'server auth');
  const registered = { own: new Set(['w1', '10.0.0.2']), others: new Set(['cp', '10.0.0.1']) };
  const joining = { own: undefined, others: new Set(['cp', '10.0.0.1']) };
  test.each([
    { name: 'its names', dns: ['w1'], ip: ['10.0.0.2'], names: registered, want: 'approve' },
    { name: 'an address that it does not have', dns: ['w1'], ip: ['10.0.0.3'], names: registered, want: 'leave' },
    {
      name: 'its name and a free address while it joins',
      dns: ['w1'],
      ip: ['10.0.0.2'],
      names: joining,
      want: 'approve',
    },
    { name: "another's address while it joins", dns: ['w1'], ip: ['10.0.0.1'], names: joining, want: 'leave' },
    { name: "another's name while it joins", dns: ['cp'], ip: ['10.0.0.2'], names: joining, want: 'leave' },
    { name: 'a name of its own choice while it joins', dns: ['kubernetes'], ip: [], names: joining, want: 'leave' },
    { name: 'no name', dns: [], ip: [], names: registered, want: 'leave' },
  ] as const)('for $name: $want', ({ dns, ip, names, want }) => {
    expect(planApproval(serving, content({ dnsNames: dns, ipAddresses: ip }), names)).toBe(want);
  });
});

test('signingProblem() refuses what the signer does not sign', () => {
  const serving = csr(KUBELET_SERVING, 'system:node:w1', node, 'client auth');
  expect(signingProblem(serving, content({ dnsNames: ['w1'] }))).toContain('serving certificate');
  expect(signingProblem(csr(KUBELET_CLIENT, 'x', [], 'client auth'), content())).toBeUndefined();
});
