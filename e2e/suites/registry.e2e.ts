/** Images from registries as people run them: with a password, over TLS, behind mirrors, away, and hanging. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { newCluster, type Cluster } from '../machine/cluster.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { certificateFor, pushNoise, Registry, startStalling, USER } from '../machine/registry.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, IMAGE, pod } from './objects.ts';

jest.setTimeout(120_000);

const MIRRORED = 'registry.invalid';

let cluster: Cluster;
/** Three namespaces that have nothing to do with each other. */
let k: Kubectl;
let other: Kubectl;
let third: Kubectl;
let open: Registry;
let locked: Registry;
let tls: Registry;
let stalling: ReturnType<typeof startStalling> | undefined;
let authorityPem: string;
let digest: string;

const at = (...parts: string[]): string => cluster.control.path(...parts);

/** A pod that sleeps in `image`. */
function sleeper(name: string, image: string, spec: Record<string, unknown> = {}, policy = 'IfNotPresent'): object {
  return pod(name, { command: IDLE, container: { image, imagePullPolicy: policy }, spec });
}

function pullSecret(name: string, registry: string, password: string = USER.password): object {
  const auths = { [registry]: { username: USER.name, password } };
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    type: 'kubernetes.io/dockerconfigjson',
    stringData: { '.dockerconfigjson': JSON.stringify({ auths }) },
  };
}

const withSecret = (name: string) => ({ imagePullSecrets: [{ name }] });

/** Reason and message of a container that waits. */
async function waiting(there: Kubectl, name: string, reason: string | RegExp): Promise<string> {
  const seen = await there.waitPod(name, `to wait with ${String(reason)}`, ({ status }) => {
    const found = status.containerStatuses?.[0]?.state['waiting']?.reason ?? '';
    return typeof reason === 'string' ? found === reason : reason.test(found);
  });
  return seen.status.containerStatuses?.[0]?.state['waiting']?.message ?? '';
}

/** How to reach `registry`: by `url`, with these settings. */
function hostsToml(registry: string, url: string, settings = '', server = url): void {
  const folder = at('config', 'registries', registry);
  mkdirSync(folder, { recursive: true });
  // containerd 1.6 reads nothing of a file without a table.
  writeFileSync(`${folder}/hosts.toml`, `server = "${server}"\n[host."${url}"]\n${settings}`);
}

/** A program that knows the password, and keeps what it was asked. */
function writeProvider(registry: string): void {
  mkdirSync(at('providers'), { recursive: true });
  const answer = {
    kind: 'CredentialProviderResponse',
    apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
    cacheKeyType: 'Registry',
    cacheDuration: '10m',
    auth: { [registry]: { username: USER.name, password: USER.password } },
  };
  const script = `#!/bin/sh\n{ cat; echo; echo "$1 $PLACE"; } >> ${at('providers', 'asked')}\nsleep 0.2\ncat <<'END'\n${JSON.stringify(answer)}\nEND\n`;
  writeFileSync(at('providers', 'knows-all'), script, { mode: 0o755 });
  const config = {
    apiVersion: 'kubelet.config.k8s.io/v1',
    kind: 'CredentialProviderConfig',
    providers: [
      {
        name: 'knows-all',
        apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
        matchImages: [`${registry}/provided`],
        defaultCacheDuration: '0s',
        args: ['an-argument'],
        env: [{ name: 'PLACE', value: 'here' }],
        tokenAttributes: {
          serviceAccountTokenAudience: 'registry',
          cacheType: 'ServiceAccount',
          requireServiceAccount: true,
          optionalServiceAccountAnnotationKeys: ['example.com/team'],
        },
      },
    ],
  };
  writeFileSync(at('providers', 'config.yaml'), JSON.stringify(config));
}

/** The demo image as REPOSITORY:1. */
async function push(...repositories: string[]): Promise<void> {
  const ctr = (...args: string[]): Promise<string> =>
    cluster.control.run(['ctr', '-a', cluster.control.containerdSocket, '-n', 'k8s.io', 'images', ...args]);
  for (const repository of repositories) {
    const name = `${open.name}/${repository}:1`;
    await ctr('tag', IMAGE, name);
    await ctr('push', '--plain-http', name);
    await ctr('remove', name);
  }
  const line = (await ctr('list', `name==${IMAGE}`)).split('\n').find(text => text.startsWith(IMAGE));
  digest = /sha256:[0-9a-f]{64}/.exec(line ?? '')?.[0] ?? '';
}

beforeAll(async () => {
  cluster = newCluster('registry');
  await cluster.build();
  const host = cluster.control;
  const { authority, own } = certificateFor(host);
  authorityPem = authority.certPem;
  open = new Registry(host, { port: 5000 });
  locked = new Registry(host, { port: 5001, password: true });
  tls = new Registry(host, { port: 5443, tls: own });
  stalling = startStalling(host, 5002, open);
  writeProvider(locked.name);
  host.writeConfig({
    'image-credential-provider-config': at('providers', 'config.yaml'),
    'image-credential-provider-bin-dir': at('providers'),
  });
  await cluster.up();
  await Promise.all([open.ready(), locked.ready(), tls.ready()]);
  for (const name of [open.name, locked.name, stalling.name]) hostsToml(name, `http://${name}`);
  hostsToml(MIRRORED, open.url, 'capabilities = ["pull", "resolve"]\n', `https://${MIRRORED}`);
  await push('team/app', 'team/private', 'node/app', 'provided/app');
  await pushNoise(host, open, 'team/slow', 4_000_000);
  k = await cluster.kubectl.newNamespace('registry');
  other = await cluster.kubectl.newNamespace('registry');
  third = await cluster.kubectl.newNamespace('registry');
  // It hangs while everything else here happens.
  await k.create(...['slow', 'slow-too'].map(name => sleeper(name, `${stalling?.name ?? ''}/team/slow:1`)));
});
afterAll(async () => {
  for (const registry of [open, locked, tls, stalling]) registry?.stop();
  await cluster?.close();
});

test('images are imported from a file or a pipe, and listed; what is no image is said to be none', async () => {
  const host = cluster.control;
  const socket = ['-a', host.containerdSocket, '-n', 'k8s.io', 'images'];
  const tar = at('some.tar');
  await host.run(['ctr', ...socket, 'tag', IMAGE, 'imported.example/some:1']);
  await host.run(['ctr', ...socket, 'export', tar, 'imported.example/some:1']);
  await host.run(['ctr', ...socket, 'remove', 'imported.example/some:1']);
  const listed = (): Promise<string> => host.k8ts(['images', 'list']);
  expect(await listed()).not.toContain('imported.example/some:1');
  expect(await host.k8ts(['images', 'import', '-'], { input: readFileSync(tar) })).toContain('imported.example/some:1');
  expect(await listed()).toMatch(/^imported\.example\/some:1 +[0-9a-f]{12} +\d+\.\d MB$/m);
  writeFileSync(tar, 'no image');
  const refused = await host.tryK8ts(['images', 'import', tar]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(`Cannot import ${tar}: is it a tar of images`);
});

test('what cannot be pulled says why, and what to do', async () => {
  const { address } = cluster.control;
  const image = `${locked.name}/team/private:1`;
  hostsToml(`${address}:5999`, `http://${address}:5999`);
  await k.apply(pullSecret('wrong', locked.name, 'guess'));
  await k.create(
    sleeper('secure', `${tls.name}/team/app:1`),
    sleeper('by-wrong', image, withSecret('wrong')),
    sleeper('by-none', image),
    sleeper('absent', `${open.name}/team/nothing:1`),
    sleeper('nowhere', `${address}:5999/team/app:1`),
  );
  const why = (name: string): Promise<string> => waiting(k, name, 'ImagePullBackOff');
  expect(await why('secure')).toMatch(
    /^Back-off pulling image ".*": ErrImagePull: .*x509.* does not trust the certificate/,
  );
  expect(await why('by-wrong')).toContain(`user ${USER.name} of Secret ${k.namespace}/wrong`);
  expect(await why('by-none')).toContain('name it in imagePullSecrets of the pod or its service account');
  expect(await why('absent')).toMatch(/rpc error: code = NotFound desc = .* has no such image: check name and tag/);
  expect(await why('nowhere')).toMatch(/connection refused \(nothing listens there: is /);
  // What is put right here is seen at the next attempt, a few tests on.
  writeFileSync(at('config', 'registry-ca.pem'), authorityPem);
  hostsToml(tls.name, tls.url, `ca = "${at('config', 'registry-ca.pem')}"\n`);
  await k.apply(pullSecret('wrong', locked.name));
});

test('a password comes from a secret of the pod, or of its service account', async () => {
  const image = `${locked.name}/team/private:1`;
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'puller' }, ...withSecret('right') };
  await k.apply(pullSecret('right', locked.name), account);
  await k.create(
    sleeper('by-secret', image, withSecret('right')),
    sleeper('by-account', image, { serviceAccountName: 'puller' }),
  );
  for (const name of ['by-secret', 'by-account']) await k.waitReady(`pod/${name}`);
  expect(readFileSync(at('log', 'k8ts.log'), 'utf8')).not.toContain(USER.password);
});

test('images come over plain HTTP, from a mirror, and by digest', async () => {
  await k.create(
    sleeper('plain', `${open.name}/team/app:1`),
    sleeper('mirrored', `${MIRRORED}/team/app:1`),
    sleeper('digested', `${open.name}/team/app:1@${digest}`),
  );
  for (const name of ['plain', 'mirrored', 'digested']) await k.waitReady(`pod/${name}`);
  await k.waitEvent(
    'plain',
    'Pulled',
    /^Successfully pulled image ".*\/team\/app:1" in [\d.]+m?s \([\d.]+m?s including waiting\)\. Image size: \d+ bytes\.$/,
  );
});

test('what came with a secret is of no use to a namespace that has none', async () => {
  const image = `${locked.name}/team/private:1`;
  await other.create(sleeper('stranger', image), sleeper('never', image, {}, 'Never'));
  expect(await waiting(other, 'stranger', /ErrImagePull|ImagePullBackOff/)).toContain('no credentials');
  await waiting(other, 'never', 'ErrImageNeverPull');
  await other.apply(pullSecret('copy', locked.name));
  await other.create(sleeper('invited', image, withSecret('copy'), 'Never'));
  await other.waitReady('pod/invited');
  const told = await other.waitEvent('invited', 'Pulled', /already present on machine and can be accessed by the pod$/);
  expect(told).toContain(image);
});

test('the node itself may know a password: from a file, or from a program', async () => {
  const auth = Buffer.from(`${USER.name}:${USER.password}`).toString('base64');
  const file = at('data', 'kubelet', 'config.json');
  writeFileSync(file, JSON.stringify({ auths: { [`http://${locked.name}/node`]: { auth } } }), { mode: 0o600 });
  await third.run(['annotate', 'serviceaccount', 'default', 'example.com/team=blue']);
  await third.create(
    sleeper('by-file', `${locked.name}/node/app:1`),
    sleeper('by-program-1', `${locked.name}/provided/app:1`),
    sleeper('by-program-2', `${locked.name}/provided/app:1`),
  );
  for (const name of ['by-file', 'by-program-1', 'by-program-2']) await third.waitReady(`pod/${name}`);
  const [request = '', more] = readFileSync(at('providers', 'asked'), 'utf8').trim().split('\n');
  expect(more).toBe('an-argument here');
  expect(JSON.parse(request)).toMatchObject({
    kind: 'CredentialProviderRequest',
    image: `${locked.name}/provided/app`,
    serviceAccountToken: expect.stringMatching(/^ey/),
    serviceAccountAnnotations: { 'example.com/team': 'blue' },
  });
  // What it gave is the account's: another one has to ask itself, and the file's is everybody's.
  await other.create(sleeper('file-again', `${locked.name}/node/app:1`, {}, 'Never'));
  await other.create(sleeper('program-never', `${locked.name}/provided/app:1`, {}, 'Never'));
  await other.waitReady('pod/file-again');
  await waiting(other, 'program-never', 'ErrImageNeverPull');
});

test('what was put right meanwhile is pulled', async () => {
  for (const name of ['secure', 'by-wrong']) await k.waitReady(`pod/${name}`);
});

test('a registry that hangs in the middle of a layer holds up its own pods alone, and they can go', async () => {
  await waitFor(
    'word of the pull that takes long',
    async () => {
      const messages = (await k.events('slow')).map(({ message }) => message);
      if (messages.some(text => /^Still pulling image ".*" after 30.*: downloaded [1-9]\.\d MB$/.test(text)))
        return true;
      throw new Error(messages.join('; '));
    },
    { timeoutMs: 60_000, everyMs: 500 },
  );
  expect((await k.pod('slow')).status.phase).toBe('Pending');
  // Both wait for the same pull.
  expect(open.count('HEAD /v2/team/slow/manifests/1')).toBe(1);
  // What had begun when k8ts was killed is known to it afterwards.
  const begun = (): number => readdirSync(at('data', 'kubelet', 'image_manager', 'pulling')).length;
  expect(begun()).toBe(1);
  await cluster.control.kill9();
  await cluster.up();
  expect(begun()).toBeGreaterThan(0);
  await k.run(['delete', 'pod', 'slow', 'slow-too', '--timeout=20s']);
  await waitFor('the pull to end with its pods', () => begun() === 0);
});

test('an image that has to be asked for at each start waits for its registry', async () => {
  const nodeImages = JSON.stringify((await k.list(['nodes']))[0]?.status?.['images']);
  expect(nodeImages).toContain(`${open.name}/team/app@${digest}`);
  open.stop();
  await k.create(sleeper('always', `${open.name}/team/app:1`, {}, 'Always'));
  expect(await waiting(k, 'always', /ErrImagePull|ImagePullBackOff/)).toContain('the image is on the node');
  expect(existsSync(at('data', 'kubelet', 'image_manager', 'pulled'))).toBe(true);
});
