import { describe, expect, test } from '@jest/globals';
import type { CertificateSigningRequest } from '../../../proto/api/certificates-v1.ts';
import {
  KUBELET_CLIENT,
  KUBELET_SERVING,
  nodeNames,
  planApproval,
  signingProblem,
  type RequestContent,
  API_CLIENT,
  cleanedAtMs,
} from './plan.ts';

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

test.each([
  { what: 'the service of the API server', dns: ['w1', 'kubernetes.default.svc'], ip: [] },
  { what: 'it, written otherwise', dns: ['Kubernetes.Default'], ip: [] },
  { what: 'its address', dns: ['w1'], ip: ['10.96.0.1'] },
  { what: 'a pattern', dns: ['*.default.svc'], ip: [] },
])('a node that gives itself the name of $what gets no certificate for it', ({ dns, ip }) => {
  const addresses = [...dns, ...ip].map(address => ({ type: 'Hostname', address }));
  const liar = { metadata: { name: 'w1' }, spec: {}, status: { addresses } };
  const asked = content({ dnsNames: dns, ipAddresses: ip });
  const serving = csr(KUBELET_SERVING, 'system:node:w1', node, 'server auth');
  const reserved = ['kubernetes.default', 'kubernetes.default.svc', '10.96.0.1'];
  expect(planApproval(serving, asked, nodeNames(asked, [liar], reserved))).toBe('leave');
  const honest = content({ dnsNames: ['w1'] });
  expect(planApproval(serving, honest, nodeNames(honest, [liar], reserved))).toBe('approve');
});

test('a node of the control plane gets a certificate for the address by which its machine serves the API', () => {
  const labels = { 'node-role.kubernetes.io/control-plane': '' };
  const status = { addresses: [{ type: 'InternalIP', address: '10.0.0.1' }] };
  const asked = content({ dnsNames: ['w1'], ipAddresses: ['10.0.0.1'] });
  const serving = csr(KUBELET_SERVING, 'system:node:w1', node, 'server auth');
  const outcome = (metadata: object): string =>
    planApproval(
      serving,
      asked,
      nodeNames(asked, [{ metadata: { name: 'w1', ...metadata }, spec: {}, status }], ['10.0.0.1']),
    );
  expect([outcome({}), outcome({ labels })]).toEqual(['leave', 'approve']);
});

test('signingProblem() says in upstream’s words what the signer does not sign', () => {
  const serving = (usage: string) => csr(KUBELET_SERVING, 'system:node:w1', node, usage);
  const client = csr(KUBELET_CLIENT, 'x', [], 'client auth');
  expect(signingProblem(serving('client auth'), content({ dnsNames: ['w1'] }))).toBe(
    'usages did not match [digital signature key encipherment server auth]',
  );
  expect(signingProblem(serving('server auth'), content())).toBe('DNS or IP subjectAltName is required');
  expect(signingProblem(client, content({ dnsNames: ['w1'] }))).toBe('DNS subjectAltNames are not allowed');
  expect(signingProblem(client, content({ subject: { commonName: 'x', organizations: ['system:nodes'] } }))).toBe(
    'subject common name does not begin with system:node:',
  );
  expect(signingProblem(client, content())).toBeUndefined();
  expect(signingProblem(csr(API_CLIENT, 'x', [], 'server auth'), content())).toBe(
    'invalid usage for client certificate: server auth',
  );
});

describe('cleanedAtMs()', () => {
  const HOUR_MS = 3_600_000;
  const made = Date.parse('2026-01-01T00:00:00Z');
  const decided = (type: string, certificate?: string) => ({
    conditions: [{ type, status: 'True', lastUpdateTime: '2026-01-01T02:00:00Z' }],
    certificate,
  });
  test.each([
    { name: 'pending', status: {}, expiresMs: undefined, hours: 24 },
    { name: 'denied', status: decided('Denied'), expiresMs: undefined, hours: 3 },
    { name: 'failed', status: decided('Failed'), expiresMs: undefined, hours: 3 },
    { name: 'approved, not signed', status: decided('Approved'), expiresMs: undefined, hours: undefined },
    { name: 'signed', status: decided('Approved', 'x'), expiresMs: made + 9 * HOUR_MS, hours: 3 },
    { name: 'signed, expired before', status: decided('Approved', 'x'), expiresMs: made + 2.5 * HOUR_MS, hours: 2.5 },
  ])('of one that is $name', ({ status, expiresMs, hours }) => {
    const request = { ...csr(KUBELET_CLIENT, 'x', [], 'client auth'), status };
    request.metadata = { ...request.metadata, creationTimestamp: '2026-01-01T00:00:00Z' };
    const expected = hours === undefined ? undefined : made + hours * HOUR_MS;
    expect(cleanedAtMs(request, expiresMs)).toBe(expected);
  });
});
