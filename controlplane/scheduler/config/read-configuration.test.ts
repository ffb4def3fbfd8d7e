import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { defaultSettings } from './plan/settings.ts';
import { readConfiguration } from './read-configuration.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scheduler-config-'));
});
afterAll(() => rm(folder, { recursive: true }));

const HEAD = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';
let files = 0;

async function read(body: string, head = HEAD) {
  const file = join(folder, `${files++}.yaml`);
  await writeFile(file, head + body);
  return readConfiguration(file, ['Mine']);
}

/** The problems of a file, without the line that names it. */
async function problems(body: string, head = HEAD): Promise<string[]> {
  const error = (await read(body, head).catch((e: unknown) => e)) as Error;
  expect(error).toMatchObject({ name: 'ConfigurationError' });
  const [first, ...rest] = error.message.split('\n  ');
  expect(first).toContain('.yaml cannot be used:');
  return rest;
}

test('readConfiguration() of an empty document is what holds without one', async () => {
  expect(await read('')).toEqual(defaultSettings());
  expect(await read('profiles: null\nleaderElection: {leaseDuration: 0s}')).toEqual(defaultSettings());
  expect(defaultSettings()).toMatchObject({
    podInitialBackoffMs: 1000,
    podMaxBackoffMs: 10_000,
    leaderElection: { leaderElect: true, leaseDurationMs: 15_000 },
    profiles: [{ schedulerName: 'default-scheduler', percentageOfNodesToScore: 0 }],
  });
});

test('readConfiguration() reads profiles, arguments and extenders, in JSON too', async () => {
  const settings = await read(
    JSON.stringify({
      apiVersion: 'kubescheduler.config.k8s.io/v1',
      kind: 'KubeSchedulerConfiguration',
      percentageOfNodesToScore: 70,
      podInitialBackoffSeconds: 2,
      podMaxBackoffSeconds: 20,
      profiles: [
        { schedulerName: 'a', pluginConfig: [{ name: 'Mine', args: { anything: [1] } }] },
        {
          schedulerName: 'b',
          percentageOfNodesToScore: 0,
          pluginConfig: [
            {
              name: 'NodeResourcesFit',
              args: { kind: 'NodeResourcesFitArgs', scoringStrategy: { type: 'MostAllocated' } },
            },
          ],
        },
      ],
      extenders: [
        {
          urlPrefix: 'https://10.0.0.1:8888/x/',
          filterVerb: 'filter',
          httpTimeout: '1m30s',
          managedResources: [{ name: 'example.com/gpu', ignoredByScheduler: true }],
        },
      ],
    }),
    '',
  );
  const [a, b] = settings.profiles;
  expect(settings).toMatchObject({ podInitialBackoffMs: 2000, podMaxBackoffMs: 20_000 });
  expect(a?.percentageOfNodesToScore).toBe(70);
  expect(b?.percentageOfNodesToScore).toBe(0);
  expect(a?.args['Mine']).toEqual({ anything: [1] });
  expect(a?.args['DefaultPreemption']).toEqual({
    minCandidateNodesPercentage: 10,
    minCandidateNodesAbsolute: 100,
  });
  const resources = [
    { name: 'cpu', weight: 1 },
    { name: 'memory', weight: 1 },
  ];
  expect(b?.args['NodeResourcesFit']).toEqual({
    ignoredResources: ['example.com/gpu'],
    scoringStrategy: { type: 'MostAllocated', resources },
  });
  expect(settings.extenders).toMatchObject([
    {
      urlPrefix: 'https://10.0.0.1:8888/x',
      filterVerb: 'filter',
      bindVerb: '',
      httpTimeoutMs: 90_000,
      ignorable: false,
    },
  ]);
});

test.each([
  [
    'a field that does not exist',
    'profiles: [{schedulerNam: a}]',
    'profiles[0].schedulerNam: unknown field; did you mean schedulerName?',
  ],
  ['a field twice', 'parallelism: 16\nparallelism: 16', 'parallelism: the field stands there twice'],
  [
    'a wrong type',
    'profiles: [{plugins: {score: {enabled: NodeName}}}]',
    'profiles[0].plugins.score.enabled: wants a list',
  ],
  [
    'a field that arguments do not have',
    'profiles: [{pluginConfig: [{name: DefaultPreemption, args: {minCandidateNodes: 1}}]}]',
    'profiles[0].pluginConfig[0].args.minCandidateNodes: unknown field',
  ],
  [
    'arguments of another kind',
    'profiles: [{pluginConfig: [{name: NodeAffinity, args: {kind: InterPodAffinityArgs}}]}]',
    'profiles[0].pluginConfig[0].args.kind: args for plugin NodeAffinity were not of type NodeAffinityArgs, got InterPodAffinityArgs',
  ],
  [
    'two profiles, one without a name',
    'profiles: [{schedulerName: a}, {}]',
    'profiles[1].schedulerName: Required value',
  ],
  [
    'two profiles of one name',
    'profiles: [{schedulerName: a}, {schedulerName: a}]',
    'profiles[1].schedulerName: Duplicate value: "profiles[0].schedulerName"',
  ],
  [
    'a share over 100',
    'percentageOfNodesToScore: 101',
    'percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]',
  ],
  ['no back-off', 'podInitialBackoffSeconds: 0', 'podInitialBackoffSeconds: Invalid value: 0: must be greater than 0'],
  [
    'a longest back-off under the first',
    'podInitialBackoffSeconds: 20',
    'podMaxBackoffSeconds: Invalid value: 10: must be greater than or equal to PodInitialBackoffSeconds',
  ],
  [
    'a plugin mistyped',
    'profiles: [{plugins: {multiPoint: {enabled: [{name: NodeAfinity}]}}}]',
    'profiles[0].plugins.multiPoint.enabled[0].name: Not found: "NodeAfinity": no plugin has this name; did you mean NodeAffinity?',
  ],
  [
    'a plugin that only upstream has',
    'profiles: [{plugins: {filter: {enabled: [{name: DynamicResources}]}}}]',
    'profiles[0].plugins.filter.enabled[0].name: Not found: "DynamicResources": k8ts does not have this plugin: devices by ResourceClaim are not allocated here',
  ],
  [
    'a plugin named twice',
    'profiles: [{plugins: {filter: {enabled: [{name: NodeName}, {name: NodeName}]}}}]',
    'profiles[0].plugins.filter.enabled[1].name: Duplicate value: "NodeName"',
  ],
  [
    'a weight where nothing is weighed',
    'profiles: [{plugins: {filter: {enabled: [{name: NodeName, weight: 2}]}}}]',
    'profiles[0].plugins.filter.enabled[0].weight: Invalid value: 2: only plugins of score and multiPoint have a weight',
  ],
  [
    'different queues',
    'profiles: [{schedulerName: a, plugins: {queueSort: {enabled: [{name: Mine}]}}}, {schedulerName: b}]',
    'profiles[1].plugins.queueSort: Invalid value: {}: must be the same for all profiles',
  ],
  [
    'arguments out of range',
    'profiles: [{pluginConfig: [{name: InterPodAffinity, args: {hardPodAffinityWeight: 101}}]}]',
    'profiles[0].pluginConfig[0].args.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]',
  ],
  [
    'an extender without weight',
    'extenders: [{urlPrefix: "http://a", prioritizeVerb: p}]',
    'extenders[0].weight: Invalid value: 0: must have a positive weight applied to it',
  ],
  [
    'a resource of ours given to an extender',
    'extenders: [{urlPrefix: "http://a", managedResources: [{name: cpu}]}]',
    'extenders[0].managedResources[0].name: Invalid value: "cpu": is an invalid extended resource name',
  ],
  [
    'no URL',
    'extenders: [{urlPrefix: "a b"}]',
    'extenders[0].urlPrefix: Invalid value: "a b": is no URL, such as http://127.0.0.1:8888/scheduler',
  ],
  [
    'a setting that we do not have',
    'parallelism: 32',
    'parallelism: Forbidden: k8ts does not have this setting: nodes are looked at one after the other, in one thread; leave it out (only 16 is taken)',
  ],
  [
    'a kubeconfig',
    'clientConnection: {kubeconfig: /etc/x}',
    'clientConnection.kubeconfig: Forbidden: k8ts does not have this setting: the scheduler reaches the API server inside of its own process',
  ],
  [
    'a lease that ends before it is renewed',
    'leaderElection: {leaseDuration: 5s}',
    'leaderElection.leaseDuration: Invalid value: "10s": LeaseDuration must be greater than RenewDeadline',
  ],
])('readConfiguration() refuses %s', async (_what, body, problem) => {
  expect(await problems(body)).toContain(problem);
});

test('readConfiguration() says what to do about an old version, and which plugins may be disabled', async () => {
  const old = HEAD.replace('/v1\n', '/v1beta3\n');
  expect(await problems('', old)).toEqual([
    'want apiVersion: kubescheduler.config.k8s.io/v1 and kind: KubeSchedulerConfiguration; found apiVersion "kubescheduler.config.k8s.io/v1beta3", kind "KubeSchedulerConfiguration"; versions before v1 went with Kubernetes 1.29; most files need nothing but the new apiVersion',
  ]);
  await expect(
    read('profiles: [{plugins: {multiPoint: {disabled: [{name: DynamicResources}, {name: "*"}]}}}]'),
  ).resolves.toBeDefined();
  await expect(readConfiguration('/nowhere/at/all.yaml')).rejects.toThrow('/nowhere/at/all.yaml cannot be used');
});
