import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { restartBackoffOf } from './plan/policies.ts';
import { withDefaults } from './plan/kubelet-configuration.ts';
import { readConfiguration } from './read-configuration.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kubelet-config-'));
});
afterAll(() => rm(folder, { recursive: true }));

const HEAD = 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n';

async function read(body: string, dropIns: Readonly<Record<string, string>> = {}) {
  const own = await mkdtemp(join(folder, 'case-'));
  const file = join(own, 'kubelet.yaml');
  await writeFile(file, HEAD + body);
  for (const [name, text] of Object.entries(dropIns)) await writeFile(join(own, name), HEAD + text);
  return readConfiguration(file, own);
}

test('withDefaults() is whole, frozen, and valid', async () => {
  expect(withDefaults({})).toMatchObject({
    maxPods: 110,
    nodeStatusUpdateFrequency: '10s',
    nodeStatusReportFrequency: '5m0s',
    evictionHard: { 'memory.available': '100Mi' },
    authentication: { webhook: { enabled: true } },
    crashLoopBackOff: { maxContainerRestartPeriod: '5m0s' },
  });
  expect(() => ((withDefaults({}) as { maxPods: number }).maxPods = 1)).toThrow(TypeError);
  expect(await readConfiguration(undefined)).toEqual({});
});

test('readConfiguration() takes what kubeadm writes: zeros mean defaults', async () => {
  const file = await read(
    [
      'authentication: {anonymous: {enabled: false}, webhook: {cacheTTL: 0s, enabled: true}}',
      'syncFrequency: 0s\nnodeStatusUpdateFrequency: 0s\nrotateCertificates: true\ncontainerRuntimeEndpoint: ""',
      'logging: {flushFrequency: 0, options: {json: {infoBufferSize: "0"}}, verbosity: 0}\nmemorySwap: {}',
      'staticPodPath: /etc/kubernetes/manifests\nclusterDNS: [10.96.0.10]\ncrashLoopBackOff: {}',
    ].join('\n'),
  );
  const whole = withDefaults(file);
  expect(whole.staticPodPath).toBe('/etc/kubernetes/manifests');
  expect(whole.authentication.webhook.cacheTTL).toBe('2m0s');
  expect(whole.nodeStatusReportFrequency).toBe('5m0s');
});

test('readConfiguration() merges a directory in the order of names: maps by field, lists whole', async () => {
  const file = await read('evictionHard: {memory.available: 1Mi, nodefs.available: 1%}\nclusterDNS: [10.0.0.1]', {
    '20.conf': 'maxPods: 20\nclusterDNS: [10.0.0.2]',
    '10.conf': 'maxPods: 10\nevictionHard: {memory.available: 2Mi}',
    'ignored.yaml': 'maxPods: 30',
  });
  expect(file).toMatchObject({
    maxPods: 20,
    clusterDNS: ['10.0.0.2'],
    evictionHard: { 'memory.available': '2Mi', 'nodefs.available': '1%' },
  });
});

test.each([
  ['maxPod: 3', 'maxPod: unknown field; did you mean maxPods?'],
  ['authentication: {webhok: {}}', 'authentication.webhok: unknown field; did you mean webhook?'],
  ['registerWithTaints: [{key: a, efect: NoSchedule}]', 'efect: unknown field; did you mean effect?'],
  ['maxPods: many', 'maxPods: wants a whole number'],
  ['evictionHard: {memory.available: 5}', 'evictionHard.memory.available: wants text; put it in quotes'],
  ['shutdownGracePeriod: 30', 'shutdownGracePeriod: wants a time such as 30s or 5m'],
  ['configMapAndSecretChangeDetectionStrategy: 3', 'Strategy: wants text; put it in quotes'],
  ['clusterDNS: 10.0.0.1', 'clusterDNS: wants a list'],
  ['evictionHard: 5%', 'evictionHard: wants a map'],
  ['failSwapOn: maybe', 'failSwapOn: wants true or false'],
  ['maxPods: 1\nmaxPods: 2', 'maxPods: the field stands there twice'],
  ['imageMinimumGCAge: soon', 'imageMinimumGCAge: time: invalid duration "soon"'],
  ['imageGCHighThresholdPercent: 101', 'imageGCHighThresholdPercent: Invalid value: 101: must be between 0 and 100'],
  ['imageGCLowThresholdPercent: 90', 'imageGCLowThresholdPercent: Invalid value: 90: must be less than'],
  ['cpuManagerPolicy: fast', 'cpuManagerPolicy: Unsupported value: "fast": supported values: "none", "static"'],
  ['evictionHard: {memory.free: 1Mi}', 'evictionHard[memory.free]: Unsupported value'],
  ['evictionSoft: {memory.available: 1Mi}', 'evictionSoftGracePeriod[memory.available]: Required value'],
  ['kubeReserved: {gpu: 1}', 'kubeReserved.gpu: wants text; put it in quotes'],
  ['kubeReserved: {gpu: "1"}', 'kubeReserved[gpu]: Unsupported value'],
  [
    'shutdownGracePeriod: 500ms',
    'shutdownGracePeriod: Invalid value: "500ms": must be either zero or otherwise >= 1 sec',
  ],
  ['enforceNodeAllocatable: [pods, system-reserved]', 'systemReservedCgroup: Required value'],
  ['crashLoopBackOff: {maxContainerRestartPeriod: 6m}', 'must be set between 1s and 300s'],
  ['runOnce: true', 'runOnce: Forbidden: k8ts does not have this setting: the kubelet always stays'],
  ['logging: {format: json}', 'logging.format: Forbidden: k8ts does not have this setting: say --log-format json'],
  ['featureGates: {Nonsense: true}', 'featureGates[Nonsense]: Forbidden'],
  ['featureGates: {SidecarContainers: false}', 'this feature is always on'],
  ['kind: Pod', 'want apiVersion: kubelet.config.k8s.io/v1beta1 and kind: KubeletConfiguration'],
  ['- 1', 'invalid YAML'],
])('readConfiguration() refuses %j', async (body, message) => {
  await expect(read(body)).rejects.toThrow(message);
});

test('readConfiguration() names a file that is not there', async () => {
  await expect(readConfiguration(join(folder, 'none.yaml'))).rejects.toThrow(/none\.yaml cannot be used:\n {2}ENOENT/);
});

test.each([
  [{}, { initialMs: 10_000, maxMs: 300_000 }],
  [{ crashLoopBackOff: { maxContainerRestartPeriod: '5s' } }, { initialMs: 5_000, maxMs: 5_000 }],
  [{ featureGates: { ReduceDefaultCrashLoopBackOffDecay: true } }, { initialMs: 1_000, maxMs: 60_000 }],
])('restartBackoffOf(%j)', (file, want) => {
  expect(restartBackoffOf(withDefaults(file))).toEqual(want);
});
