import { describe, expect, test } from '@jest/globals';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import { pods } from '../../../machinery/client/resource.ts';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { Container, Pod, Secret } from '../../../proto/api/core-v1.ts';
import { RuntimeError } from '../runtime/runtime-error.ts';
import type { ImageService, PullImageOptions } from '../runtime/runtime-service.ts';
import { ImageManager } from './image-manager.ts';

const unauthorized = new RuntimeError('Unknown', 'PullImage', '401 Unauthorized', 3);

function secret(name: string, host: string, username: string): Secret {
  const config = { auths: { [host]: { username, password: 'p' } } };
  return { metadata: { name }, data: { '.dockerconfigjson': Buffer.from(JSON.stringify(config)).toString('base64') } };
}

/** A registry that lets in whoever `admits` says. */
function setup(setting: { secrets?: Secret[]; admits?: (user: string) => boolean; present?: boolean }) {
  const { secrets = [], admits = () => true } = setting;
  let present = setting.present ?? false;
  const pulls: string[] = [];
  const events: string[] = [];
  const woken: string[] = [];
  const images = {
    imageStatus: () => Promise.resolve(present ? { id: 'sha256:1', size: 7n } : undefined),
    pullImage: (_: unknown, { auth }: PullImageOptions) => {
      const user = auth?.username ?? '';
      pulls.push(auth === undefined ? 'anonymous' : `${user}@${auth.serverAddress}`);
      if (!admits(user)) return Promise.reject(unauthorized);
      present = true;
      return Promise.resolve('sha256:1');
    },
  } as unknown as ImageService;
  const clock = new FakeClock();
  const manager = new ImageManager({
    images,
    clock,
    logger: silentLogger,
    recorder: { event: (_, type, reason, message) => void events.push(`${type} ${reason}: ${message}`) },
    parallelPulls: 2,
    pullSecrets: () => Promise.resolve(secrets),
    wake: uid => void woken.push(uid),
  });
  const names = ['good', 'bad', 'gone'].slice(0, secrets.length === 0 ? 0 : 3);
  const pod: Pod = {
    metadata: { name: 'p', uid: 'u' },
    spec: { containers: [], imagePullSecrets: names.map(name => ({ name })) },
  };
  const ensure = (container: Partial<Container> = {}) => {
    const spec: Container = { name: 'c', image: 'r.example:5000/team/app:1', ...container };
    return manager.ensure(pod, spec, subjectOf(pods, pod));
  };
  return { manager, clock, ensure, pulls, events, woken };
}

describe('ImageManager.ensure()', () => {
  test('pulls, wakes the pod, and then has the image', async () => {
    const { ensure, clock, woken, pulls } = setup({});
    expect(await ensure()).toEqual({ kind: 'pulling' });
    expect(await ensure()).toEqual({ kind: 'pulling' });
    await clock.advance(0);
    expect(woken).toEqual(['u']);
    expect(pulls).toEqual(['anonymous']);
    expect((await ensure()).kind).toBe('present');
  });

  test('pulls once a start when the policy is Always', async () => {
    const { ensure, clock, pulls } = setup({ present: true });
    const always = { imagePullPolicy: 'Always' };
    for (let start = 0; start < 2; start++) {
      expect((await ensure(always)).kind).toBe('pulling');
      await clock.advance(0);
      expect((await ensure(always)).kind).toBe('present');
    }
    expect(pulls).toHaveLength(2);
  });

  test('never pulls when the policy is Never', async () => {
    const { ensure, pulls } = setup({});
    expect(await ensure({ imagePullPolicy: 'Never' })).toMatchObject({ kind: 'waiting', reason: 'ErrImageNeverPull' });
    expect(pulls).toEqual([]);
  });

  test('logs in with each secret that fits, and names no server to the runtime', async () => {
    const secrets = [secret('bad', 'r.example:5000', 'stranger'), secret('good', 'r.example:5000', 'tester')];
    const { ensure, clock, pulls, events } = setup({ secrets, admits: user => user === 'tester' });
    await ensure();
    await clock.advance(0);
    expect(pulls).toEqual(['stranger@', 'tester@']);
    expect(events).toContainEqual(
      'Warning FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (gone); attempting to pull the image may not succeed.',
    );
  });

  test('shows ErrImagePull, then ImagePullBackOff, then pulls again after the back-off', async () => {
    const { ensure, clock, pulls, events } = setup({ admits: () => false });
    await ensure();
    await clock.advance(0);
    const first = await ensure();
    expect(first).toMatchObject({ kind: 'waiting', reason: 'ErrImagePull' });
    expect(first).toMatchObject({ message: expect.stringContaining('401 Unauthorized (without credentials: ') });
    await clock.advance(1_000);
    expect(await ensure()).toMatchObject({ kind: 'waiting', reason: 'ImagePullBackOff' });
    expect(pulls).toHaveLength(1);
    await clock.advance(9_000);
    expect((await ensure()).kind).toBe('pulling');
    await clock.advance(0);
    await ensure();
    // The second back-off is twice the first.
    await clock.advance(19_999);
    expect(await ensure()).toMatchObject({ kind: 'waiting', reason: 'ImagePullBackOff' });
    await clock.advance(1);
    expect((await ensure()).kind).toBe('pulling');
    expect(events).toContain('Warning Failed: Error: ImagePullBackOff');
  });

  test('says when no secret is for the registry', async () => {
    const { ensure, clock } = setup({ secrets: [secret('good', 'other.example', 'tester')], admits: () => false });
    await ensure();
    await clock.advance(0);
    const message = expect.stringContaining("none of the pod's imagePullSecrets is for r.example:5000");
    expect(await ensure()).toMatchObject({ reason: 'ErrImagePull', message });
  });

  test('waits for ever for a name that is none', async () => {
    const { ensure } = setup({});
    expect(await ensure({ image: 'r.example/UPPER:1' })).toMatchObject({ reason: 'InvalidImageName' });
  });
});
