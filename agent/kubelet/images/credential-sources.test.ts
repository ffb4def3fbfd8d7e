import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '../../../machinery/client/client.ts';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { run, type Run } from '../../host/exec.ts';
import type { CredentialProvider, TokenAttributes } from './plan/credential-provider-config.ts';
import { parseImageName, type ImageName } from './plan/image-name.ts';
import { ImageCredentialProvider } from './credential-provider.ts';
import { loadCredentialProviders } from './load-credential-providers.ts';
import { nodeLogins } from './node-docker-config.ts';

const VERSION = 'credentialprovider.kubelet.k8s.io/v1';
const never = new AbortController().signal;
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'k8ts-credentials-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const nameOf = (text: string): ImageName => parseImageName(text)!;

test('nodeLogins() reads config.json of the root before .dockercfg, and passes over files of something else', async () => {
  const login = (username: string) => ({ 'r.example': { username } });
  writeFileSync(join(root, '.dockercfg'), JSON.stringify(login('older')));
  writeFileSync(join(root, 'config.json'), JSON.stringify({ name: 'of something else' }));
  expect(await nodeLogins(root)).toMatchObject([{ username: 'older' }]);
  writeFileSync(join(root, 'config.json'), JSON.stringify({ auths: login('newer') }));
  expect(await nodeLogins(root)).toMatchObject([{ username: 'newer' }]);
});

describe('loadCredentialProviders()', () => {
  const configOf = (name: string) => ({
    apiVersion: 'kubelet.config.k8s.io/v1',
    kind: 'CredentialProviderConfig',
    providers: [{ name, apiVersion: VERSION, matchImages: ['r.example'], defaultCacheDuration: '1m' }],
  });
  const program = (name: string, mode = 0o755) => writeFileSync(join(root, name), '#!/bin/sh\n', { mode });

  test('reads every file of a folder in order of their names', async () => {
    const folder = join(root, 'conf');
    mkdirSync(folder);
    for (const [file, name] of [
      ['2.yaml', 'b'],
      ['1.json', 'a'],
      ['3.txt', 'c'],
    ] as const) {
      writeFileSync(join(folder, file), JSON.stringify(configOf(name)));
      program(name);
    }
    expect((await loadCredentialProviders(folder, root)).map(({ name }) => name)).toEqual(['a', 'b']);
  });

  test('says which program is missing, which file is broken, and nothing of what it holds', async () => {
    const file = join(root, 'conf.yaml');
    writeFileSync(file, JSON.stringify(configOf('absent')));
    await expect(loadCredentialProviders(file, root)).rejects.toThrow(`plugin binary executable ${root}/absent`);
    program('absent', 0o644);
    await expect(loadCredentialProviders(file, root)).rejects.toThrow('may not be executed');
    writeFileSync(file, 'env: [sesame: "open\n  x');
    await expect(loadCredentialProviders(file, root)).rejects.toThrow(`error decoding config "${file}"`);
    await expect(loadCredentialProviders(file, root)).rejects.not.toThrow('sesame');
    await expect(loadCredentialProviders(file, join(root, 'no'))).rejects.toThrow('plugin binary directory');
  });
});

describe('ImageCredentialProvider', () => {
  const attributes: TokenAttributes = {
    serviceAccountTokenAudience: 'r',
    cacheType: 'ServiceAccount',
    requireServiceAccount: true,
    requiredServiceAccountAnnotationKeys: ['team'],
    optionalServiceAccountAnnotationKeys: [],
  };

  function setup(more: Partial<CredentialProvider> = {}, answer: object = {}) {
    const asked: { image: string; serviceAccountToken?: string }[] = [];
    const clock = new FakeClock();
    const annotations: Record<string, string> = { team: 'blue' };
    const fake: Run = (_, options) => {
      asked.push(JSON.parse(String(options?.input)) as { image: string });
      const auth = { 'r.example': { username: 'u', password: 'p' } };
      const whole = { kind: 'CredentialProviderResponse', apiVersion: VERSION, cacheKeyType: 'Image', auth, ...answer };
      return Promise.resolve({ stdout: JSON.stringify(whole), stderr: '' });
    };
    const provider = new ImageCredentialProvider({
      provider: {
        name: 'p',
        apiVersion: VERSION,
        matchImages: ['r.example'],
        defaultCacheDurationMs: 60_000,
        args: [],
        env: [],
        tokenAttributes: undefined,
        ...more,
      },
      binDir: root,
      client: {
        of: () => ({
          get: ({ name }: { name: string }) => Promise.resolve({ metadata: { uid: `uid-${name}`, annotations } }),
        }),
      } as unknown as Client,
      tokens: {
        token: pod => Promise.resolve({ token: `token-${pod.metadata.uid}`, expirationTimestamp: '', renewAtMs: 0 }),
      },
      clock,
      logger: silentLogger,
      run: fake,
    });
    const podOf = (uid: string, serviceAccountName = 'sa'): Pod => ({
      metadata: { uid, namespace: 'n' },
      spec: { containers: [], serviceAccountName },
    });
    const logins = (image = 'r.example/a', pod = podOf('u')) => provider.logins(pod, nameOf(image), never);
    return { logins, asked, clock, podOf, annotations };
  }

  test('is asked for images that it is for, and its answers last as long as they say', async () => {
    const { logins, asked, clock } = setup();
    expect(await logins('s.example/a')).toBeUndefined();
    expect(await logins()).toMatchObject({ source: { kind: 'node' }, logins: [{ username: 'u' }] });
    await Promise.all([logins(), logins('r.example/a:2')]);
    expect(asked).toHaveLength(1);
    await logins('r.example/b');
    expect(asked.map(({ image }) => image)).toEqual(['r.example/a', 'r.example/b']);
    await clock.advance(60_000);
    await logins();
    expect(asked).toHaveLength(3);
  });

  test.each([
    ['Registry', 1],
    ['Global', 1],
    ['Image', 2],
  ])('shares answers by %s', async (cacheKeyType, want) => {
    const { logins, asked } = setup({}, { cacheKeyType });
    await logins('r.example/a');
    await logins('r.example/b');
    expect(asked).toHaveLength(want);
  });

  test('is asked each time when the answer says so', async () => {
    const { logins, asked } = setup({}, { cacheDuration: '0s' });
    await logins();
    await logins();
    expect(asked).toHaveLength(2);
  });

  test('gets a token of the account, whose pods share the answer', async () => {
    const { logins, asked, podOf, annotations } = setup({ tokenAttributes: attributes });
    expect(await logins('r.example/a', podOf('u'))).toMatchObject({
      source: { kind: 'serviceAccount', uid: 'uid-sa', namespace: 'n', name: 'sa' },
    });
    await logins('r.example/a', podOf('v'));
    expect(asked.map(({ serviceAccountToken }) => serviceAccountToken)).toEqual(['token-u']);
    await logins('r.example/a', podOf('v', 'other'));
    expect(asked).toHaveLength(2);
    expect(await logins('r.example/a', podOf('w', ''))).toBeUndefined();
    delete annotations['team'];
    expect(await logins('r.example/a', podOf('w'))).toBeUndefined();
  });

  test('keeps answers by token where they end with it, and takes the token itself back only there', async () => {
    const echo = { auth: { 'r.example': { username: 'u', password: 'token-u' } } };
    const perToken = setup({ tokenAttributes: { ...attributes, cacheType: 'Token' } }, echo);
    await perToken.logins('r.example/a', perToken.podOf('u'));
    await perToken.logins('r.example/a', perToken.podOf('v'));
    expect(perToken.asked).toHaveLength(2);
    const { logins } = setup({ tokenAttributes: attributes }, echo);
    await expect(logins()).rejects.toThrow('which needs cacheType Token');
    await expect(logins()).rejects.not.toThrow('token-u');
  });

  test('says how a program failed, and nothing of what it printed; the log has what it said, without what it was told', async () => {
    const logged: object[] = [];
    const script = '#!/bin/sh\necho sesame\n(echo "what is this:"; cat; echo "$KEY of $SHORT") >&2\nexit 3\n';
    writeFileSync(join(root, 'p'), script, { mode: 0o755 });
    const provider = new ImageCredentialProvider({
      provider: {
        name: 'p',
        apiVersion: VERSION,
        matchImages: ['r.example'],
        defaultCacheDurationMs: 0,
        args: [],
        env: [
          { name: 'KEY', value: 'key-of-the-provider' },
          { name: 'SHORT', value: 'true' },
        ],
        tokenAttributes: { ...attributes, requiredServiceAccountAnnotationKeys: [] },
      },
      binDir: root,
      client: { of: () => ({ get: () => Promise.resolve({ metadata: { uid: 'u' } }) }) } as unknown as Client,
      tokens: { token: () => Promise.resolve({ token: 'token-of-the-pod', expirationTimestamp: '', renewAtMs: 0 }) },
      clock: new FakeClock(),
      logger: { ...silentLogger, warn: fields => void logged.push(fields) },
      run,
    });
    const failure = await provider
      .logins({ metadata: {}, spec: { containers: [], serviceAccountName: 'sa' } }, nameOf('r.example/a'), never)
      .catch((error: unknown) => error);
    expect(failure).toEqual(new Error('credential provider p failed: exit code 3'));
    expect(logged).toEqual([{ image: 'r.example/a', stderr: expect.stringContaining('what is this:') }]);
    expect(JSON.stringify(logged)).toContain('<masked> of true');
    expect(JSON.stringify(logged)).not.toMatch(/sesame|token-of-the-pod|key-of-the-provider/);
  });
});
