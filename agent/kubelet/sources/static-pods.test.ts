import { expect, test } from '@jest/globals';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PodView } from '../plan/pod-view.ts';
import { readManifest, type Manifest } from './manifests.ts';
import { mirrorAction, mirrorPod } from './plan/mirror-pod.ts';
import { CONFIG_HASH, CONFIG_SEEN } from './plan/static-pod.ts';
import { StaticPods } from './static-pods.ts';

const SEEN = '2026-01-31T12:00:00Z';

function file(name: string, text: string): Promise<Manifest> {
  return readManifest(text, { kind: 'file', location: `/m/${name}`, nodeName: 'node1' }, SEEN);
}

const simple = (name: string, image = 'x') =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec: {containers: [{name: c, image: ${image}}]}`;

async function pod(name: string, image?: string): Promise<Pod> {
  const { pods } = await file(`${name}.yaml`, simple(name, image));
  if (pods[0] === undefined) throw new Error('no pod');
  return pods[0];
}

test('readManifest() makes a pod as the API server would, and as upstream names it', async () => {
  const made = await pod('web');
  const uid = made.metadata.uid ?? '';
  expect(uid).toMatch(/^[0-9a-f]{32}$/);
  expect(made.metadata).toEqual({
    name: 'web-node1',
    namespace: 'default',
    uid,
    annotations: {
      'kubernetes.io/config.hash': uid,
      'kubernetes.io/config.source': 'file',
      'kubernetes.io/config.seen': SEEN,
    },
  });
  expect(made.spec).toMatchObject({
    nodeName: 'node1',
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    tolerations: [{ operator: 'Exists', effect: 'NoExecute' }],
    containers: [{ name: 'c', image: 'x', imagePullPolicy: 'Always', terminationMessagePolicy: 'File' }],
  });
  expect(made.spec.serviceAccountName).toBeUndefined();
});

test('readManifest() gives the same text the same UID, another text, file or node another', async () => {
  const source = { kind: 'file', location: '/m/web.yaml', nodeName: 'node1' } as const;
  const uidOf = async (text: string, from = source): Promise<string | undefined> =>
    (await readManifest(text, from, 'later')).pods[0]?.metadata.uid;
  const uid = await uidOf(simple('web'));
  expect(await uidOf(simple('web'))).toBe(uid);
  const asJson = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web' },
    spec: { containers: [{ name: 'c', image: 'x' }] },
  };
  expect(await uidOf(JSON.stringify(asJson))).toBe(uid);
  const others = [
    await uidOf(simple('web', 'z')),
    await uidOf(simple('web'), { ...source, location: '/m/other.yaml' as '/m/web.yaml' }),
    await uidOf(simple('web'), { ...source, nodeName: 'node2' as 'node1' }),
  ];
  expect(new Set([uid, ...others]).size).toBe(4);
});

test.each([
  ['kind: Service\napiVersion: v1', 'want apiVersion: v1 and kind: Pod; found apiVersion "v1", kind "Service"'],
  ['a: [', 'invalid YAML'],
  [`${simple('a')}\n---\n${simple('b')}`, 'found 2 documents, want one'],
  ['apiVersion: v1\nkind: Pod\nspec: {containers: [{name: c, image: x}]}', 'invalid pod: name is needed for the pod'],
  [simple('a').replace('name: c', 'name: C'), 'spec.containers[0].name: Invalid value: "C"'],
  [
    simple('a').replace('image: x', 'imagee: x'),
    'spec.containers[0].image: Required value; unknown field spec.containers[0].imagee',
  ],
  [simple('a').replace('name: c,', 'name: [1],'), 'cannot unmarshal array'],
  [simple('a').replace('spec: {', 'spec: {serviceAccountName: s, '), 'static pods may not reference serviceaccounts'],
  [
    simple('a').replace('spec: {', 'spec: {volumes: [{name: v, secret: {secretName: s}}], '),
    'static pods may not reference secrets (via secret volumes)',
  ],
  [
    simple('a').replace('image: x', 'image: x, envFrom: [{configMapRef: {name: m}}]'),
    'static pods may not reference configmaps',
  ],
])('readManifest() refuses %j', async (text, problem) => {
  const { pods, problem: found } = await file('a.yaml', text);
  expect(pods).toEqual([]);
  expect(found).toContain(problem);
});

test('readManifest() takes a list from a URL, with defaults, and no file toleration', async () => {
  const text = JSON.stringify({
    apiVersion: 'v1',
    kind: 'PodList',
    items: ['a', 'b'].map(name => ({ metadata: { name }, spec: { containers: [{ name: 'c', image: 'x' }] } })),
  });
  const { pods } = await readManifest(text, { kind: 'http', location: 'http://x', nodeName: 'n' }, SEEN);
  expect(pods.map(p => p.metadata.name)).toEqual(['a-n', 'b-n']);
  expect(pods[0]?.spec.tolerations).toBeUndefined();
});

function setup() {
  const calls: string[] = [];
  const problems: string[] = [];
  const warnings: string[] = [];
  const taken = new Set<string>();
  const views: PodView[] = [];
  const statics = new StaticPods({
    workers: {
      updatePod: p => calls.push(`run ${p.metadata.name ?? ''} ${p.spec.containers[0]?.image ?? ''}`),
      removePod: p => calls.push(`end ${p.metadata.name ?? ''} ${p.spec.containers[0]?.image ?? ''}`),
      isNameTaken: p => taken.has(p.metadata.name ?? ''),
      endOrphans: isOrphan => calls.push(...views.filter(isOrphan).map(view => `end orphan ${view.uid}`)),
    },
    onProblem: (location, problem) => problems.push(`${location}: ${problem}`),
    onWarning: (location, warning) => warnings.push(`${location}: ${warning}`),
    onChange: () => undefined,
  });
  return { statics, warnings, calls, problems, taken, views };
}

test('StaticPods runs what is written, once, and ends what is removed', async () => {
  const { statics, calls } = setup();
  const [a, b] = [await file('a.yaml', simple('a')), await file('b.yaml', simple('b'))];
  statics.update('file', [a, b]);
  const again = await readManifest(simple('a'), { kind: 'file', location: '/m/a.yaml', nodeName: 'node1' }, 'later');
  expect(again.pods[0]?.metadata.annotations?.[CONFIG_SEEN]).toBe('later');
  statics.update('file', [again, b]);
  expect(calls).toEqual(['run a-node1 x', 'run b-node1 x']);
  statics.update('file', [b]);
  expect(calls.slice(2)).toEqual(['end a-node1 x']);
});

test('StaticPods starts the next of a name only when nothing is left of the one before', async () => {
  const { statics, calls, taken } = setup();
  const first = await file('a.yaml', simple('a'));
  statics.update('file', [first]);
  taken.add('a-node1');
  statics.update('file', [await file('a.yaml', simple('a', 'z'))]);
  expect(calls).toEqual(['run a-node1 x', 'end a-node1 x']);
  taken.clear();
  statics.podRemoved(first.pods[0] as Pod);
  expect(calls.slice(2)).toEqual(['run a-node1 z']);
});

test('StaticPods leaves a pod alone whose manifest is broken, and tells of it once', async () => {
  const { statics, calls, problems } = setup();
  statics.update('file', [await file('a.yaml', simple('a'))]);
  for (let i = 0; i < 2; i++) statics.update('file', [await file('a.yaml', 'a: [')]);
  expect(calls).toEqual(['run a-node1 x']);
  expect(problems).toHaveLength(1);
  statics.update('file', []);
  expect(calls.slice(1)).toEqual(['end a-node1 x']);
});

test('StaticPods tells once of a field that no pod has', async () => {
  const { statics, calls, warnings } = setup();
  const text = simple('a').replace('image: x', 'image: x, restartPolicyy: Never');
  for (let i = 0; i < 2; i++) statics.update('file', [await file('a.yaml', text)]);
  expect(calls).toEqual(['run a-node1 x']);
  expect(warnings).toEqual(['/m/a.yaml: unknown field spec.containers[0].restartPolicyy is ignored']);
});

test('StaticPods runs the first of two manifests for one name, and names the other', async () => {
  const { statics, calls, problems } = setup();
  statics.update('file', [await file('1.yaml', simple('a')), await file('2.yaml', simple('a', 'z'))]);
  expect(calls).toEqual(['run a-node1 x']);
  expect(problems).toEqual(['/m/2.yaml: pod default/a-node1 is defined in /m/1.yaml already; this one is ignored']);
});

test('StaticPods ends what ran under the name from another text before the kubelet started', async () => {
  const { statics, calls, views } = setup();
  const view = (uid: string): PodView => ({ uid, namespace: 'default', name: 'a-node1' }) as PodView;
  views.push(view('0'.repeat(32)), view('b5d4bd7e-6ad4-4d0e-9a0c-2a1f6a0f8f7c'));
  statics.update('file', [await file('a.yaml', simple('a'))]);
  expect(calls).toEqual([`end orphan ${'0'.repeat(32)}`, 'run a-node1 x']);
});

test('mirrorAction() makes, keeps, replaces and removes the mirror of a static pod', async () => {
  const static1 = await pod('a');
  const mirror = mirrorPod(static1, 'node-uid');
  expect(mirror.metadata).toMatchObject({
    annotations: { 'kubernetes.io/config.mirror': static1.metadata.annotations?.[CONFIG_HASH] },
    ownerReferences: [{ kind: 'Node', name: 'node1', uid: 'node-uid', controller: true }],
  });
  expect(mirror.metadata.uid).toBeUndefined();
  const deleted = { ...mirror, metadata: { ...mirror.metadata, deletionTimestamp: SEEN } };
  const changed = await pod('a', 'z');
  expect(
    [
      mirrorAction(undefined, undefined, false),
      mirrorAction(static1, undefined, false),
      mirrorAction(static1, mirror, false),
      mirrorAction(static1, deleted, false),
      mirrorAction(changed, mirror, true),
      mirrorAction(undefined, mirror, true),
      mirrorAction(undefined, mirror, false),
    ].map(({ kind }) => kind),
  ).toEqual(['none', 'create', 'none', 'delete', 'delete', 'none', 'delete']);
});
