import { describe, expect, test } from '@jest/globals';
import type { Secret } from '../../../../proto/api/core-v1.ts';
import { readCredentialProviders } from './credential-provider-config.ts';
import { parseProviderAnswer } from './credential-provider-response.ts';
import { credentialHash, credentialsFor, secretLogins, type CredentialSource } from './image-credentials.ts';
import { parseDockercfg, parseDockerConfigJson } from './docker-config.ts';
import { parseImageName, type ImageName } from './image-name.ts';
import { nodeImages } from './node-images.ts';
import { pullFailure } from './pull-failure.ts';
import { firstProgress, nextProgress, standsStillMs } from './pull-progress.ts';
import { afterPull, grantOf, parseRecord } from './pull-record.ts';
import { registryMatches } from './registry-match.ts';
import { allowlistProblem, needsVerification } from './verification-policy.ts';

const nameOf = (text: string): ImageName =>
  parseImageName(text) ?? { domain: '', path: '', tag: '', digest: undefined };

test.each([
  ['r.example', 'r.example/team/app', true],
  ['r.example/team', 'r.example/team/app', true],
  ['r.example/team', 'r.example/teamwork', true],
  ['r.example/other', 'r.example/team/app', false],
  ['*.example', 'r.example/app', true],
  ['*.example', 'a.r.example/app', false],
  ['*.*.example', 'a.r.example/app', true],
  ['r?.example', 'r1.example/app', true],
  ['r[0-9].example', 'r1.example/app', true],
  ['r[^0-9].example', 'r1.example/app', false],
  ['r[.example', 'r[.example/app', false],
  ['r.example', 'rxexample/app', false],
  ['r.example:5000', 'r.example/app', false],
  ['*.example:5000', 'r.example:5000/app', true],
])('registryMatches(%s, %s): %s', (pattern, image, want) => {
  expect(registryMatches(pattern, image)).toBe(want);
});

describe('logins', () => {
  const auth = Buffer.from('me:pw:x').toString('base64');

  test('are read from both forms; auth wins, URLs and versions of the API are cut', () => {
    const auths = { 'https://r.example/v1/': { auth, username: 'u' }, 'http://s.example/v2/team': { username: 'u' } };
    const found = parseDockerConfigJson(JSON.stringify({ auths }));
    expect(found).toMatchObject([
      { pattern: 'r.example', username: 'me', password: 'pw:x' },
      { pattern: 's.example/team', username: 'u' },
    ]);
    expect(parseDockercfg(JSON.stringify(auths))).toEqual(found);
    expect(parseDockerConfigJson('{"name": "some package"}')).toBeUndefined();
    expect(parseDockerConfigJson('no JSON')).toBeUndefined();
  });

  test('of secrets come with the longest path first, and Docker Hub has a key of its own', () => {
    const secret = (auths: object, type = 'kubernetes.io/dockerconfigjson'): Secret => ({
      metadata: { name: 's', namespace: 'n', uid: 'u' },
      type,
      data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths })).toString('base64') },
    });
    const sources = [
      secretLogins(secret({ '*.example': { username: 'any' }, 'r.example': { username: 'host' } })),
      secretLogins(
        secret({ 'r.example/team': { username: 'team' }, 'https://index.docker.io/v1/': { username: 'hub' } }),
      ),
    ].filter(source => source !== undefined);
    const users = (image: string) => credentialsFor(nameOf(image), sources).map(({ login }) => login.username);
    expect(users('r.example/team/app')).toEqual(['team', 'host', 'any']);
    expect(users('r.example/app')).toEqual(['host', 'any']);
    expect(users('busybox')).toEqual(['hub']);
    expect(users('s.other/app')).toEqual([]);
    expect(secretLogins(secret({}, 'Opaque'))).toBeUndefined();
  });

  test('are told apart by what they say', () => {
    const login = { pattern: '', username: 'a<b', password: 'p', email: '', identityToken: '', registryToken: '' };
    // The SHA-256 of {"username":"a\u003cb","password":"p"}, as Go writes it.
    expect(credentialHash(login)).toBe('3977468d411a5164856bc2eb206dafe57ce39352de5a1f54e9887ef0b9458424');
    expect(credentialHash({ ...login, registryToken: 't' })).not.toBe(credentialHash(login));
  });
});

describe('records of pulls', () => {
  const login = { pattern: '', username: 'u', password: 'p', email: '', identityToken: '', registryToken: '' };
  const secret = (name: string): CredentialSource => ({ kind: 'secret', uid: `uid-${name}`, namespace: 'n', name });
  const account: CredentialSource = { kind: 'serviceAccount', uid: 'uid', namespace: 'n', name: 'sa' };

  test('grow with each credential, and are for all once none was needed', () => {
    const first = afterPull(undefined, 'sha256:1', 'r.example/app', { login, source: secret('b') }, 1_000);
    expect(afterPull(first, 'sha256:1', 'r.example/app', { login, source: secret('b') }, 2_000)).toBe(first);
    const second = afterPull(first, 'sha256:1', 'r.example/app', { login, source: secret('a') }, 2_000);
    expect(second.credentialMapping?.['r.example/app']?.kubernetesSecrets?.map(({ name }) => name)).toEqual(['a', 'b']);
    const third = afterPull(second, 'sha256:1', 'r.example/app', { login, source: account }, 3_000);
    expect(third.credentialMapping?.['r.example/app']?.kubernetesServiceAccounts).toHaveLength(1);
    const all = afterPull(third, 'sha256:1', 'r.example/app', undefined, 4_000);
    expect(all.credentialMapping?.['r.example/app']).toEqual({ nodePodsAccessible: true });
    expect(afterPull(all, 'sha256:1', 'r.example/app', { login, source: secret('a') }, 5_000)).toBe(all);
    expect(afterPull(undefined, 'sha256:1', 'r.example/app', 'unknown', 0).credentialMapping).toEqual({
      'r.example/app': {},
    });
    expect(parseRecord(JSON.stringify(third))).toEqual(third);
  });

  test.each([
    { name: 'the same secret', source: secret('a'), password: 'p', want: { learnt: false } },
    { name: 'the same words in another secret', source: secret('z'), password: 'p', want: { learnt: true } },
    { name: 'the same secret with other words', source: secret('a'), password: 'new', want: { learnt: true } },
    { name: 'another secret', source: secret('z'), password: 'new', want: undefined },
    { name: 'the account', source: account, password: 'new', want: { learnt: false } },
    { name: "the node's own", source: { kind: 'node' }, password: 'p', want: undefined },
  ] as const)('grantOf() $name: $want', ({ source, password, want }) => {
    let record = afterPull(undefined, 'i', 'r', { login, source: secret('a') }, 0);
    record = afterPull(record, 'i', 'r', { login, source: account }, 0);
    const grant = grantOf(record.credentialMapping?.['r'] ?? {}, [{ login: { ...login, password }, source }]);
    expect(grant === undefined ? undefined : { learnt: grant.learnt }).toEqual(want);
  });

  test('that are broken are none', () => {
    const whole = afterPull(undefined, 'i', 'r', { login, source: secret('a') }, 0);
    expect(parseRecord(JSON.stringify({ ...whole, kind: 'Other' }))).toBeUndefined();
    expect(
      parseRecord(JSON.stringify({ ...whole, credentialMapping: { r: { kubernetesSecrets: 'x' } } })),
    ).toBeUndefined();
    expect(parseRecord('')).toBeUndefined();
  });
});

test.each([
  ['NeverVerify', true, false],
  ['NeverVerifyPreloadedImages', true, true],
  ['NeverVerifyPreloadedImages', false, false],
  ['AlwaysVerify', false, true],
] as const)('needsVerification(%s) pulled by the kubelet %s: %s', (policy, byKubelet, want) => {
  expect(needsVerification(policy, [], 'r.example/app', byKubelet)).toBe(want);
});

test('needsVerification() knows the list, by short names too', () => {
  const needs = (repository: string) =>
    needsVerification('NeverVerifyAllowlistedImages', ['busybox', 'r.example/team/*'], repository, false);
  expect(['docker.io/library/busybox', 'r.example/team/app', 'r.example/teamwork', 'docker.io/a/b'].map(needs)).toEqual(
    [false, false, true, true],
  );
});

test.each([
  ['r.example/app', undefined],
  ['r.example/*', undefined],
  ['/*', 'at least registry hostname is required'],
  ['r.example/app:1', 'neither tag nor digest'],
  ['r.*/app', 'not a valid wildcard'],
  [' r.example', 'leading/trailing spaces'],
])('allowlistProblem(%j): %s', (pattern, want) => {
  const problem = allowlistProblem(pattern);
  if (want === undefined) expect(problem).toBeUndefined();
  else expect(problem).toContain(want);
});

describe('pullFailure()', () => {
  const input = { image: 'r.example/app:1', registry: 'r.example', tried: [], problems: [], isPresent: false };

  test.each([
    ['Unknown', 'x: 401 Unauthorized', 'x: 401 Unauthorized (no credentials for r.example were found: make a Secret'],
    [
      'NotFound',
      'r.example/app:1: not found',
      'rpc error: code = NotFound desc = r.example/app:1: not found (r.example has',
    ],
    ['Unknown', 'dial tcp 10.0.0.1:443: connect: connection refused', 'nothing listens there'],
    ['Unknown', 'tls: failed to verify certificate: x509: certificate signed by unknown authority', 'does not trust'],
    ['Unknown', 'http: server gave HTTP response to HTTPS client', 'speaks plain HTTP'],
    ['Unknown', 'dial tcp: lookup r.example: no such host', 'cannot resolve'],
    ['Unknown', 'write /x: no space left on device', 'disk'],
    ['Unknown', 'something new', 'something new'],
  ])('%s, %s', (code, detail, want) => {
    const failure = pullFailure({ ...input, code, detail });
    expect(failure.reason).toBe('ErrImagePull');
    expect(failure.message).toContain(want);
    expect(failure.event).toBe(`Failed to pull image "r.example/app:1": ${failure.message}`);
  });

  test('names who was refused', () => {
    const tried = ['user u of Secret n/s'];
    expect(pullFailure({ ...input, tried, code: 'Unknown', detail: '403 Forbidden' }).message).toContain(
      'r.example does not let in user u of Secret n/s',
    );
  });

  test("knows CRI's own two errors", () => {
    expect(pullFailure({ ...input, code: 'Unknown', detail: 'RegistryUnavailable: it sleeps' })).toMatchObject({
      reason: 'RegistryUnavailable',
      message: 'image pull failed for r.example/app:1 because the registry is unavailable: it sleeps',
    });
    expect(pullFailure({ ...input, code: 'Unknown', detail: 'SignatureValidationFailed' })).toMatchObject({
      reason: 'SignatureValidationFailed',
      message: 'image pull failed for r.example/app:1 because the signature validation failed',
    });
  });
});

test('a pull stands still while nothing comes, and never while it is unpacked', () => {
  let progress = firstProgress(0);
  expect(standsStillMs(progress, 50)).toBe(50);
  const look = (offsetBytes: number, finishedCount: number, nowMs: number) => {
    const active = offsetBytes < 0 ? [] : [{ ref: 'layer', offsetBytes }];
    progress = nextProgress(progress, { active, finishedCount, finishedBytes: 7 }, nowMs);
    return [progress.phase, standsStillMs(progress, nowMs + 5)];
  };
  expect(look(-1, 0, 100)).toEqual(['asking', 105]);
  expect(look(3, 1, 200)).toEqual(['downloading', 5]);
  expect(look(3, 1, 300)).toEqual(['downloading', 105]);
  expect(look(4, 1, 400)).toEqual(['downloading', 5]);
  expect(look(-1, 2, 500)).toEqual(['unpacking', 0]);
  expect(look(-1, 2, 900)).toEqual(['unpacking', 0]);
});

describe('readCredentialProviders()', () => {
  const provider = {
    name: 'p',
    apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
    matchImages: ['*.example'],
    defaultCacheDuration: '10m',
  };
  const read = (...providers: object[]) =>
    readCredentialProviders([
      { path: 'f', content: { apiVersion: 'kubelet.config.k8s.io/v1', kind: 'CredentialProviderConfig', providers } },
    ]);
  const tokenAttributes = { serviceAccountTokenAudience: 'a', cacheType: 'Token', requireServiceAccount: true };

  test('fills in what is not said', () => {
    expect(read({ ...provider, tokenAttributes })).toMatchObject([
      { name: 'p', defaultCacheDurationMs: 600_000, args: [], env: [], tokenAttributes: { cacheType: 'Token' } },
    ]);
  });

  test.each([
    [{ name: 'a/b' }, 'providers[0].name: Invalid value: "a/b": provider name cannot contain \'/\''],
    [{ apiVersion: 'v9' }, 'providers[0].apiVersion: Unsupported value: "v9"'],
    [{ matchImages: [] }, 'providers[0].matchImages: Required value'],
    [{ defaultCacheDuration: undefined }, 'providers[0].defaultCacheDuration: Required value'],
    [{ defaultCacheDuration: '-1s' }, 'must be greater than or equal to 0'],
    [{ surprise: 1 }, 'providers[0].surprise: Forbidden: unknown field'],
    [{ env: [{ name: 'A' }] }, 'providers[0].env[0]'],
    [{ tokenAttributes: { ...tokenAttributes, cacheType: '' } }, 'cacheType is required to be set'],
    [
      { tokenAttributes: { ...tokenAttributes, serviceAccountTokenAudience: '' } },
      'serviceAccountTokenAudience: Required',
    ],
    [
      { tokenAttributes, apiVersion: 'credentialprovider.kubelet.k8s.io/v1beta1' },
      'tokenAttributes is only supported for',
    ],
    [
      {
        tokenAttributes: {
          ...tokenAttributes,
          requiredServiceAccountAnnotationKeys: ['a'],
          optionalServiceAccountAnnotationKeys: ['a'],
        },
      },
      'annotation keys cannot be both required and optional',
    ],
  ])('refuses %j', (more, want) => {
    expect(() => read({ ...provider, ...more })).toThrow(want);
  });

  test('refuses two of one name, none, and other kinds', () => {
    expect(() => read(provider, provider)).toThrow('providers[1].name: Duplicate value: "p"');
    expect(() => read()).toThrow('at least 1 item in plugins is required');
    expect(() => readCredentialProviders([{ path: 'f', content: { kind: 'Other' } }])).toThrow(
      'error decoding config "f"',
    );
  });
});

describe('parseProviderAnswer()', () => {
  const version = 'credentialprovider.kubelet.k8s.io/v1';
  const answer = { kind: 'CredentialProviderResponse', apiVersion: version, cacheKeyType: 'Image', auth: {} };

  test('takes logins and how long they are good', () => {
    const auth = { 'r.example': { username: 'u', password: 'p' } };
    const text = JSON.stringify({ ...answer, auth, cacheDuration: '5m' });
    expect(parseProviderAnswer(text, version)).toMatchObject({
      cacheKeyType: 'Image',
      cacheMs: 300_000,
      logins: [{ pattern: 'r.example', username: 'u', password: 'p' }],
    });
  });

  test.each([
    ['no JSON: sesame', 'error decoding'],
    [JSON.stringify({ ...answer, apiVersion: 'v2' }), 'did not match expected apiVersion'],
    [JSON.stringify({ ...answer, cacheKeyType: 'All' }), 'valid cacheKeyType'],
    [JSON.stringify({ ...answer, kind: 'sesame' }), 'no CredentialProviderResponse'],
  ])('%s: %s, without a word of the answer', (text, want) => {
    expect(() => parseProviderAnswer(text, version)).toThrow(want);
    expect(() => parseProviderAnswer(text, version)).not.toThrow('sesame');
  });
});

test('nodeImages() tells the largest with at most five names, and no dangling ones', () => {
  const tags = ['a:1', 'a:2', 'a:3', 'a:4', 'a:5'];
  const images = [
    { repoDigests: [], repoTags: ['small:1'], size: 1n },
    { repoDigests: [], repoTags: [], size: 9n },
    { repoDigests: ['a@sha256:1'], repoTags: tags, size: 5n },
  ];
  expect(nodeImages(images, 50)).toEqual([
    { names: ['a@sha256:1', 'a:1', 'a:2', 'a:3', 'a:4'], sizeBytes: 5 },
    { names: ['small:1'], sizeBytes: 1 },
  ]);
  expect(nodeImages(images, 1)).toHaveLength(1);
  expect(nodeImages(images, -1)).toHaveLength(2);
});
