import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import { pods, type AnyObject, type Resource } from '../../../machinery/client/resource.ts';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { Container, Pod, Secret } from '../../../proto/api/core-v1.ts';
import type { PodObjects } from '../objects/pod-objects.ts';
import { parseImageName } from './plan/image-name.ts';
import type { PullSample } from './plan/pull-progress.ts';
import type { VerificationPolicy } from './plan/verification-policy.ts';
import { RuntimeError } from '../runtime/runtime-error.ts';
import type { ImageService, PullImageOptions } from '../runtime/runtime-service.ts';
import { ImageKeyring } from './image-keyring.ts';
import { ImageManager, type ImageState } from './image-manager.ts';
import { ImagePuller } from './image-puller.ts';
import { PodPulls } from './pod-pulls.ts';
import { PullRecords } from './pull-records.ts';
import { watchPullSecrets } from './watch-pull-secrets.ts';

const unauthorized = new RuntimeError('Unknown', 'PullImage', '401 Unauthorized', 3);
const APP = 'r.example:5000/team/app:1';
const roots: string[] = [];
afterEach(() => roots.splice(0).forEach(root => rmSync(root, { recursive: true })));

function secret(name: string, host: string, username: string, namespace = 'a'): Secret {
  const config = { auths: { [host]: { username, password: 'p' } } };
  return {
    metadata: { name, namespace, uid: `uid-${namespace}-${name}` },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(JSON.stringify(config)).toString('base64') },
  };
}

interface Setting {
  readonly secrets?: Secret[];
  /** What the registry says to a user, '' for none. */
  readonly admits?: (user: string) => boolean;
  readonly present?: boolean;
  /** Of an image's content; default: each has its own. */
  readonly idOf?: (image: string) => string;
  readonly policy?: VerificationPolicy;
  readonly hangs?: (image: string) => boolean;
  readonly sample?: () => PullSample | undefined;
  readonly limit?: number;
  readonly root?: string;
}

/** A node and a registry that lets in whoever `admits` says. */
function setup(setting: Setting = {}) {
  const { secrets = [], admits = () => true, hangs = () => false, sample = () => undefined } = setting;
  const root = setting.root ?? mkdtempSync(join(tmpdir(), 'k8ts-images-'));
  if (setting.root === undefined) roots.push(root);
  const clock = new FakeClock();
  const pulls: string[] = [];
  const aborted: string[] = [];
  const events: string[] = [];
  const woken: string[] = [];
  const watches = new Map<string, (secret: Secret | undefined) => void>();
  const idOf = setting.idOf ?? ((image: string) => `sha256:${image}`);
  const there = new Map<string, string>();
  if (setting.present === true) there.set(APP, idOf(APP));
  const withId = (id: string) => ({
    id,
    size: 7n,
    repoTags: [...there.keys()].filter(image => there.get(image) === id),
    repoDigests: [],
  });
  const images = {
    imageStatus: ({ image }: { image: string }) => {
      const id = there.get(image) ?? [...there.values()].find(one => one === image);
      return Promise.resolve(id === undefined ? undefined : withId(id));
    },
    listImages: () => Promise.resolve([...new Set(there.values())].map(withId)),
    pullImage: async ({ image }: { image: string }, { auth, signal }: PullImageOptions) => {
      const user = auth?.username ?? '';
      pulls.push(auth === undefined ? 'anonymous' : `${user}@${auth.serverAddress ?? ''}`);
      if (hangs(image)) {
        await new Promise((_, reject) => {
          signal?.addEventListener('abort', () => {
            aborted.push(image);
            reject(signal.reason as Error);
          });
        });
      }
      if (!admits(user)) throw unauthorized;
      there.set(image, idOf(image));
      return idOf(image);
    },
  } as unknown as ImageService;
  const objects = {
    get: (_: Resource<AnyObject>, namespace: string, name: string) =>
      Promise.resolve(secrets.find(s => s.metadata.name === name && s.metadata.namespace === namespace)),
    watch: (_: Resource<AnyObject>, __: string, name: string, onChange: (secret: Secret | undefined) => void) => {
      watches.set(name, onChange);
      onChange(secrets.find(s => s.metadata.name === name));
      return () => watches.delete(name);
    },
  } as unknown as PodObjects;
  const recorder = {
    event: (_: unknown, type: string, reason: string, message: string) =>
      void events.push(`${type} ${reason}: ${message}`),
  };
  const logger = silentLogger;
  const policy = setting.policy ?? 'NeverVerifyPreloadedImages';
  const records = new PullRecords({ root, images, policy, allowlist: [], clock, logger });
  const keyring = new ImageKeyring({ root, objects, providers: [], logger });
  const downloads = () => Promise.resolve(sample());
  const limit = setting.limit ?? 2;
  const puller = new ImagePuller({ images, downloads, clock, logger, limit, perSecond: 0, burst: 1 });
  const podPulls = new PodPulls({ images, keyring, puller, records, clock, logger, recorder, onPulled: () => {} });
  const manager = new ImageManager({
    images,
    keyring,
    records,
    pulls: podPulls,
    clock,
    recorder,
    wake: uid => void woken.push(uid),
    watchSecrets: (pod, onChange) => watchPullSecrets(objects, pod, onChange),
    onGone: () => {},
  });
  const podOf = (uid: string, namespace: string, names: string[]): Pod => ({
    metadata: { name: uid, uid, namespace },
    spec: { containers: [], imagePullSecrets: names.map(name => ({ name })) },
  });
  const ensure = (container: Partial<Container> = {}, pod: Pod = podOf('u', 'a', [])): Promise<ImageState> => {
    const spec: Container = { name: 'c', image: APP, ...container };
    return manager.ensure(pod, spec, subjectOf(pods, pod, `spec.containers{${spec.name}}`));
  };
  /** Asks until the pull that began is over. */
  const settled = async (container?: Partial<Container>, pod?: Pod): Promise<ImageState> => {
    const before = woken.length;
    const state = await ensure(container, pod);
    if (state.kind !== 'pulling') return state;
    await until(() => woken.length > before);
    return ensure(container, pod);
  };
  /** Begins a container with what is there. */
  const begin = async (container: Partial<Container> = {}, pod: Pod = podOf('u', 'a', [])): Promise<ImageState> => {
    const state = await settled(container, pod);
    const subject = subjectOf(pods, pod, `spec.containers{${container.name ?? 'c'}}`);
    if (state.kind === 'present') manager.use(pod, container.image ?? APP, subject, state);
    return state;
  };
  return { manager, begin, puller, watches, clock, ensure, settled, podOf, pulls, aborted, events, woken, there, root };
}

/** Records are real files: they take as long as they take. */
async function until(holds: () => boolean): Promise<void> {
  for (let turns = 0; turns < 5_000 && !holds(); turns++) await new Promise(resolve => setTimeout(resolve, 1));
  expect(holds()).toBe(true);
}

async function rest(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
}

describe('ImageManager.ensure()', () => {
  test('pulls, wakes the pod, and then has the image', async () => {
    const { ensure, settled, woken, pulls, events, root } = setup();
    expect(await ensure()).toEqual({ kind: 'pulling' });
    expect((await settled()).kind).toBe('present');
    expect(woken).toEqual(['u']);
    expect(pulls).toEqual(['anonymous']);
    expect(events).toContain(
      'Normal Pulled: Successfully pulled image "r.example:5000/team/app:1" in 0s (0s including waiting). Image size: 7 bytes.',
    );
    expect(readdirSync(join(root, 'image_manager/pulling'))).toEqual([]);
    expect(readdirSync(join(root, 'image_manager/pulled'))).toHaveLength(1);
  });

  test('pulls once a start of each container when the policy is Always', async () => {
    const { begin, settled, pulls } = setup({ present: true });
    const always = { imagePullPolicy: 'Always' };
    // The first may have to wait for its volumes, and asks again.
    expect((await settled(always)).kind).toBe('present');
    expect((await begin(always)).kind).toBe('present');
    expect((await begin({ ...always, name: 'd' })).kind).toBe('present');
    expect(pulls).toHaveLength(1);
    expect((await begin(always)).kind).toBe('present');
    expect(pulls).toHaveLength(2);
  });

  test('tells that the image is there at each start of a container, not each time that it is looked at', async () => {
    const { begin, ensure, events } = setup({ present: true });
    for (let i = 0; i < 3; i++) await ensure();
    expect(events).toEqual([]);
    for (let i = 0; i < 2; i++) await begin();
    const told = `Normal Pulled: Container image "${APP}" already present on machine and can be accessed by the pod`;
    expect(events).toEqual([told, told]);
  });

  test('never pulls when the policy is Never', async () => {
    const { ensure, pulls } = setup();
    expect(await ensure({ imagePullPolicy: 'Never' })).toMatchObject({ kind: 'waiting', reason: 'ErrImageNeverPull' });
    expect(pulls).toEqual([]);
  });

  test('logs in with each secret that fits, and names no server to the runtime', async () => {
    const secrets = [secret('bad', 'r.example:5000', 'stranger'), secret('good', 'r.example:5000', 'tester')];
    const { settled, podOf, pulls, events } = setup({ secrets, admits: user => user === 'tester' });
    expect((await settled({}, podOf('u', 'a', ['bad', 'good', 'gone']))).kind).toBe('present');
    expect(pulls).toEqual(['stranger@', 'tester@']);
    expect(events).toContainEqual(
      'Warning FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (gone); attempting to pull the image may not succeed.',
    );
  });

  test('shows ErrImagePull, then ImagePullBackOff, then pulls again after the back-off', async () => {
    const { settled, ensure, clock, pulls, events } = setup({ admits: () => false });
    const first = await settled();
    expect(first).toMatchObject({ kind: 'waiting', reason: 'ErrImagePull' });
    expect(first).toMatchObject({
      message: expect.stringMatching(/^401 Unauthorized \(no credentials for r\.example/),
    });
    await clock.advance(1_000);
    expect(await ensure()).toMatchObject({ kind: 'waiting', reason: 'ImagePullBackOff' });
    expect(pulls).toHaveLength(1);
    await clock.advance(9_000);
    await settled();
    expect(pulls).toHaveLength(2);
    // The second back-off is twice the first.
    await clock.advance(19_999);
    expect(await ensure()).toMatchObject({ kind: 'waiting', reason: 'ImagePullBackOff' });
    await clock.advance(1);
    expect((await ensure()).kind).toBe('pulling');
    expect(events).toContain('Warning Failed: Error: ImagePullBackOff');
  });

  test('pulls again at once when a secret is put right, and looks out for that only while it waits', async () => {
    const secrets = [secret('key', 'r.example:5000', 'stranger')];
    const { settled, podOf, watches, woken, manager, pulls } = setup({ secrets, admits: user => user === 'tester' });
    const pod = podOf('u', 'a', ['key']);
    await settled({}, pod);
    expect([...watches.keys()]).toEqual(['key']);
    const right = secret('key', 'r.example:5000', 'tester');
    secrets.splice(0, 1, { ...right, metadata: { ...right.metadata, resourceVersion: '2' } });
    watches.get('key')?.(secrets[0]);
    expect(woken).toEqual(['u', 'u']);
    expect((await settled({}, pod)).kind).toBe('present');
    expect(pulls).toEqual(['stranger@', 'tester@']);
    expect(watches.size).toBe(0);
    manager.forget('u');
  });

  test('says when no secret is for the registry, and when the image is there all the same', async () => {
    const secrets = [secret('good', 'other.example', 'tester')];
    const { settled, podOf } = setup({ secrets, admits: () => false, present: true });
    const state = await settled({ imagePullPolicy: 'Always' }, podOf('u', 'a', ['good']));
    expect(state).toMatchObject({ message: expect.stringContaining("none of the pod's imagePullSecrets is for r.e") });
    expect(state).toMatchObject({ message: expect.stringContaining('the image is on the node') });
  });

  test('waits for ever for a name that is none, and for an id that is not there', async () => {
    const { ensure, there } = setup();
    expect(await ensure({ image: 'r.example/UPPER:1' })).toMatchObject({ reason: 'InvalidImageName' });
    const id = `sha256:${'0'.repeat(64)}`;
    expect(await ensure({ image: id })).toMatchObject({ reason: 'ErrImagePull' });
    expect(await ensure({ image: id, imagePullPolicy: 'Never' })).toMatchObject({ reason: 'ErrImageNeverPull' });
    there.set(id, id);
    expect(await ensure({ image: id })).toMatchObject({ kind: 'present', name: id });
  });
});

describe('an image that is there', () => {
  const secrets = [secret('key', 'r.example:5000', 'tester'), secret('copy', 'r.example:5000', 'tester', 'b')];
  const admits = (user: string): boolean => user === 'tester';

  test('is used by pods that could have pulled it, and by no others', async () => {
    const { settled, ensure, podOf, pulls } = setup({ secrets, admits });
    await settled({}, podOf('first', 'a', ['key']));
    expect((await ensure({}, podOf('second', 'a', ['key']))).kind).toBe('present');
    expect((await ensure({}, podOf('copied', 'b', ['copy']))).kind).toBe('present');
    expect(pulls).toHaveLength(1);
    expect(await settled({}, podOf('stranger', 'c', []))).toMatchObject({ reason: 'ErrImagePull' });
    expect(await ensure({ imagePullPolicy: 'Never' }, podOf('never', 'c', []))).toMatchObject({
      reason: 'ErrImageNeverPull',
    });
  });

  test('under a name that others brought is for everybody by that name, though its content was pulled with a secret', async () => {
    const id = `sha256:${'1'.repeat(64)}`;
    const { settled, ensure, podOf, there } = setup({ secrets, admits, idOf: () => id });
    there.set('r.example/other:1', id);
    await settled({}, podOf('first', 'a', ['key']));
    const stranger = podOf('stranger', 'c', []);
    expect((await ensure({ image: 'r.example/other:1' }, stranger)).kind).toBe('present');
    // An id proves no right to any name.
    expect(await ensure({ image: id }, stranger)).toMatchObject({ reason: 'ErrImagePull' });
    expect(await settled({}, stranger)).toMatchObject({ reason: 'ErrImagePull' });
  });

  test.each([
    { policy: 'NeverVerify', kind: 'present' },
    { policy: 'NeverVerifyPreloadedImages', kind: 'present' },
    { policy: 'AlwaysVerify', kind: 'waiting' },
    { policy: 'NeverVerifyAllowlistedImages', kind: 'waiting' },
  ] as const)('that others brought is for everybody but under strict policies: $policy', async ({ policy, kind }) => {
    const { settled } = setup({ policy, present: true, admits: () => false });
    expect((await settled()).kind).toBe(kind);
  });

  test('is for everybody when it was pulled without credentials', async () => {
    const { settled, ensure, podOf } = setup();
    await settled();
    expect((await ensure({}, podOf('other', 'b', []))).kind).toBe('present');
  });

  test('whose pull was cut off by a kill is pulled again by whoever wants it', async () => {
    const killed = setup({ secrets, hangs: () => true });
    await killed.ensure({}, killed.podOf('u', 'a', ['key']));
    await until(() => killed.pulls.length === 1);
    // The runtime finished it; the kubelet did not live to see that.
    const next = setup({ secrets, admits, present: true, root: killed.root });
    expect(await next.settled({}, next.podOf('stranger', 'c', []))).toMatchObject({ reason: 'ErrImagePull' });
    expect((await next.settled({}, next.podOf('u', 'a', ['key']))).kind).toBe('present');
  });
});

describe('a pull that hangs', () => {
  const hangs = (image: string): boolean => image.includes('slow');

  test('is shared, and ends when the last one who wanted it leaves', async () => {
    const { puller, pulls, aborted } = setup({ hangs });
    const name = parseImageName('r.example/slow:1')!;
    const waiters = [new AbortController(), new AbortController()];
    const results = waiters.map(({ signal }) => puller.pull(name, undefined, { signal, onLong: () => {} }));
    for (const result of results) result.catch(() => undefined);
    await rest();
    expect(pulls).toHaveLength(1);
    waiters[0]?.abort(new Error('gone'));
    await expect(results[0]).rejects.toThrow('gone');
    expect(aborted).toEqual([]);
    waiters[1]?.abort(new Error('gone too'));
    await rest();
    expect(aborted).toEqual(['r.example/slow:1']);
  });

  test('ends with its pod', async () => {
    const { ensure, manager, pulls, aborted } = setup({ hangs });
    await ensure({ image: 'r.example/slow:1' });
    await until(() => pulls.length === 1);
    manager.forget('u');
    await rest();
    expect(aborted).toHaveLength(1);
  });

  test('lends its place to the next one, is told of, and is given up when nothing moves', async () => {
    const sample = (): PullSample => ({
      active: [{ ref: 'l', offsetBytes: 5e6 }],
      finishedCount: 1,
      finishedBytes: 1e6,
    });
    const { ensure, settled, clock, podOf, events, pulls, woken } = setup({ hangs, sample, limit: 1 });
    await ensure({ image: 'r.example/slow:1' });
    await until(() => pulls.length === 1);
    const quick = settled({ image: 'r.example/quick:1' }, podOf('v', 'a', []));
    await rest();
    expect(pulls).toHaveLength(1);
    for (let s = 0; s < 40; s += 10) await clock.advance(10_000).then(rest);
    expect((await quick).kind).toBe('present');
    expect(events).toContain('Normal Pulling: Still pulling image "r.example/slow:1" after 30s: downloaded 6.0 MB');
    for (let s = 40; s < 130; s += 10) await clock.advance(10_000).then(rest);
    await until(() => woken.includes('u'));
    expect(await ensure({ image: 'r.example/slow:1' })).toMatchObject({
      reason: 'ErrImagePull',
      message: expect.stringMatching(/DeadlineExceeded desc = no progress for 120s \(downloaded 6\.0 MB\)/),
    });
  });

  test('goes on for as long as it moves', async () => {
    let bytes = 0;
    const sample = (): PullSample => ({
      active: [{ ref: 'l', offsetBytes: (bytes += 1) }],
      finishedCount: 0,
      finishedBytes: 0,
    });
    const { ensure, clock, pulls } = setup({ hangs, sample });
    await ensure({ image: 'r.example/slow:1' });
    await until(() => pulls.length === 1);
    for (let s = 0; s < 600; s += 10) await clock.advance(10_000).then(rest);
    expect(await ensure({ image: 'r.example/slow:1' })).toEqual({ kind: 'pulling' });
  });
});
