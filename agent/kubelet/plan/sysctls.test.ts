import { expect, test } from '@jest/globals';
import type { Pod, PodSpec } from '../../../proto/api/core-v1.ts';
import { forbiddenSysctl } from './sysctls.ts';

const pod = (name: string, spec: Partial<PodSpec> = {}): Pod => ({
  metadata: { name: 'p' },
  spec: { containers: [], securityContext: { sysctls: [{ name, value: '1' }] }, ...spec },
});

test.each<[string, Partial<PodSpec>, string | undefined]>([
  ['net.core.somaxconn', {}, undefined],
  ['kernel.shmmax', {}, undefined],
  ['kernel.shmmax', { hostIPC: true }, 'not allowed with host ipc enabled'],
  ['kernel.sem', {}, 'not allowlisted'],
  ['net.core.somaxconn', { hostNetwork: true }, 'not allowed with host net enabled'],
  ['kernel.shm_rmid_forced', {}, undefined],
  ['net/ipv4/ip_unprivileged_port_start', {}, undefined],
  ['kernel.msgmax', {}, 'not allowlisted'],
  ['vm.overcommit_memory', {}, 'not allowlisted'],
  ['net.ipv4.tcp_syncookies', { hostNetwork: true }, 'not allowed with host net enabled'],
  ['kernel.shm_rmid_forced', { hostNetwork: true }, undefined],
  ['kernel.shm_rmid_forced', { hostIPC: true }, 'not allowed with host ipc enabled'],
])('forbiddenSysctl() of %s with %j: %s', (name, spec, why) => {
  const verdict = forbiddenSysctl(pod(name, spec), ['net/core/somaxconn', 'kernel.shm*']);
  expect(verdict?.message).toBe(why && `Pod was rejected: forbidden sysctl: "${name}" ${why}`);
});
