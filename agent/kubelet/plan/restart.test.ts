import { expect, test } from '@jest/globals';
import type { Container, Pod } from '../../../proto/api/core-v1.ts';
import type { ContainerView } from './pod-view.ts';
import { BACKOFF_ANNOTATION, decideRestart, wantsRestart } from './restart.ts';

const container: Container = { name: 'c' };
const pod = (restartPolicy: string): Pod => ({ metadata: {}, spec: { restartPolicy, containers: [container] } });
const last = (exitCode: number, backoffMs: number, ranMs = 1000): ContainerView => ({
  id: 'i',
  name: 'c',
  sandboxId: 's',
  state: 'exited',
  attempt: 0,
  image: '',
  imageRef: '',
  createdAtMs: 0,
  startedAtMs: 1_000_000 - ranMs,
  finishedAtMs: 1_000_000,
  exitCode,
  reason: '',
  message: '',
  hash: '',
  logPath: '',
  annotations: { [BACKOFF_ANNOTATION]: String(backoffMs) },
});

test.each([
  {
    name: 'first failure',
    policy: 'Always',
    last: last(1, 0),
    nowMs: 1_000_000,
    want: { kind: 'start', nextBackoffMs: 10_000 },
  },
  {
    name: 'back-off running',
    policy: 'Always',
    last: last(1, 10_000),
    nowMs: 1_009_999,
    want: { kind: 'wait', untilMs: 1_010_000, backoffMs: 10_000 },
  },
  {
    name: 'back-off just over',
    policy: 'Always',
    last: last(1, 10_000),
    nowMs: 1_010_000,
    want: { kind: 'start', nextBackoffMs: 20_000 },
  },
  {
    name: 'at the cap',
    policy: 'Always',
    last: last(1, 300_000),
    nowMs: 1_300_000,
    want: { kind: 'start', nextBackoffMs: 300_000 },
  },
  {
    name: 'forgiven after ten minutes',
    policy: 'Always',
    last: last(1, 300_000, 600_001),
    nowMs: 1_000_000,
    want: { kind: 'start', nextBackoffMs: 10_000 },
  },
  {
    name: 'not yet forgiven',
    policy: 'Always',
    last: last(1, 300_000, 600_000),
    nowMs: 1_000_000,
    want: { kind: 'wait', untilMs: 1_300_000, backoffMs: 300_000 },
  },
  { name: 'Never', policy: 'Never', last: last(1, 0), nowMs: 1_000_000, want: { kind: 'leave' } },
  { name: 'OnFailure, ended well', policy: 'OnFailure', last: last(0, 0), nowMs: 1_000_000, want: { kind: 'leave' } },
])('decideRestart() $name', ({ policy, last: view, nowMs, want }) => {
  expect(decideRestart(pod(policy), container, 'main', view, nowMs)).toEqual(want);
});

test.each([
  { role: 'init', policy: 'Always', exitCode: 0, want: false },
  { role: 'init', policy: 'Always', exitCode: 1, want: true },
  { role: 'init', policy: 'Never', exitCode: 1, want: false },
  { role: 'sidecar', policy: 'Never', exitCode: 0, want: true },
  { role: 'ephemeral', policy: 'Always', exitCode: 1, want: false },
] as const)('wantsRestart() of $role with $policy after $exitCode: $want', ({ role, policy, exitCode, want }) => {
  expect(wantsRestart(pod(policy), container, role, exitCode)).toBe(want);
});

test('wantsRestart() follows rules before the policy', () => {
  const ruled: Container = {
    name: 'c',
    restartPolicy: 'Never',
    restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }],
  };
  expect(wantsRestart(pod('Never'), ruled, 'main', 42)).toBe(true);
  expect(wantsRestart(pod('Never'), ruled, 'main', 41)).toBe(false);
});
