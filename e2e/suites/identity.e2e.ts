/** Who may do what: tokens, roles, anonymous callers, and the kubelet's own door. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { sharedCluster, type Cluster } from '../machine/cluster.ts';
import type { Kubectl } from '../machine/kubectl.ts';
import { waitFor } from '../machine/wait-for.ts';
import { IDLE, pod } from './objects.ts';

jest.setTimeout(90_000);

let cluster: Cluster;
let k: Kubectl;
const TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount';

beforeAll(async () => {
  cluster = await sharedCluster();
  k = await cluster.kubectl.newNamespace('identity');
  await k.apply(pod('who', { command: IDLE }));
  await k.waitReady('pod who');
});
afterAll(async () => k?.removeNamespace());

/** Status code and body of a request from this host; certificates are not verified, the server's own is tested elsewhere. */
async function ask(url: string, token?: string): Promise<{ code: number; body: string }> {
  const script = `
    const https = require('node:https');
    const headers = process.argv[2] ? { authorization: 'Bearer ' + process.argv[2] } : {};
    https.get(process.argv[1], { rejectUnauthorized: false, headers }, res => {
      let body = ''; res.on('data', d => (body += d)); res.on('end', () => console.log(JSON.stringify({ code: res.statusCode, body })));
    });`;
  return JSON.parse(
    await cluster.control.run([process.execPath, '-e', script, url, ...(token === undefined ? [] : [token])]),
  ) as {
    code: number;
    body: string;
  };
}

test('a pod has a projected token, the CA and its namespace', async () => {
  expect(await k.exec('who', `cat ${TOKEN}/namespace`)).toBe(k.namespace);
  expect(await k.exec('who', `cat ${TOKEN}/ca.crt`)).toContain('BEGIN CERTIFICATE');
  const token = (await k.exec('who', `cat ${TOKEN}/token`)).trim();
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
  expect(claims).toMatchObject({
    sub: `system:serviceaccount:${k.namespace}:default`,
    'kubernetes.io': { namespace: k.namespace, pod: { name: 'who' }, serviceaccount: { name: 'default' } },
  });
  expect(Number(claims['exp'])).toBeGreaterThan(Date.now() / 1000);
});

test("a pod's token may do nothing until a RoleBinding lets it", async () => {
  const token = (await k.exec('who', `cat ${TOKEN}/token`)).trim();
  const url = `${cluster.serverUrl}/api/v1/namespaces/${k.namespace}/pods`;
  const denied = await ask(url, token);
  expect(denied.code).toBe(403);
  expect(denied.body).toContain(
    `User \\"system:serviceaccount:${k.namespace}:default\\" cannot list resource \\"pods\\" in API group \\"\\"`,
  );
  await k.run(['create', 'role', 'reader', '--verb=get,list', '--resource=pods']);
  await k.run(['create', 'rolebinding', 'reader', '--role=reader', `--serviceaccount=${k.namespace}:default`]);
  await waitFor('the binding to count', async () => (await ask(url, token)).code === 200, { timeoutMs: 5_000 });
  expect((await ask(`${cluster.serverUrl}/api/v1/namespaces/${k.namespace}/secrets`, token)).code).toBe(403);
  expect((await ask(`${cluster.serverUrl}/api/v1/namespaces/default/pods`, token)).code).toBe(403);
});

test('a pod reaches the API server by its service and verifies it with the CA it was given', async () => {
  // busybox' wget does not verify; openssl-free proof: the server's certificate names the service, checked with the pod's CA.
  const ca = await k.exec('who', `cat ${TOKEN}/ca.crt`);
  const script = `
    require('node:tls').connect({ host: '10.96.0.1', port: 443, ca: process.argv[1], servername: 'kubernetes.default.svc' }, function () {
      console.log(this.authorized); this.end();
    });`;
  expect((await cluster.control.run([process.execPath, '-e', script, '--', ca])).trim()).toBe('true');
});

test('a token that nobody signed, or that is broken, is refused', async () => {
  const [head, body] = (await k.exec('who', `cat ${TOKEN}/token`)).trim().split('.');
  const url = `${cluster.serverUrl}/api/v1/namespaces`;
  expect((await ask(url, `${head}.${body}.AAAA`)).code).toBe(401);
  expect((await ask(url, 'nonsense')).code).toBe(401);
});

test('anonymous callers see health and version, nothing else', async () => {
  expect((await ask(`${cluster.serverUrl}/livez`)).code).toBe(200);
  expect((await ask(`${cluster.serverUrl}/version`)).code).toBe(200);
  const denied = await ask(`${cluster.serverUrl}/api/v1/pods`);
  expect(denied.code).toBe(403);
  expect(denied.body).toContain('User "system:anonymous" cannot list resource "pods"'.replaceAll('"', '\\"'));
});

test("the kubelet's API asks, too", async () => {
  const kubelet = `https://${cluster.control.address}:10250`;
  expect((await ask(`${kubelet}/pods`)).code).toBe(401);
  const token = (await k.exec('who', `cat ${TOKEN}/token`)).trim();
  expect((await ask(`${kubelet}/pods`, token)).code).toBe(403);
});

test('can-i and who-am-i answer', async () => {
  expect((await k.run(['auth', 'can-i', 'create', 'pods'])).trim()).toBe('yes');
  const asPod = await k.try(['auth', 'can-i', 'delete', 'nodes', `--as=system:serviceaccount:${k.namespace}:default`]);
  expect(asPod.stdout.trim()).toBe('no');
  const review = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' });
  const whoAmI =
    (await k.minorVersion()) >= 28
      ? k.run(['auth', 'whoami'])
      : k.run(['create', '--raw', '/apis/authentication.k8s.io/v1/selfsubjectreviews', '-f', '-'], { input: review });
  expect(await whoAmI).toContain('system:masters');
});

test('kubectl create token makes one that works', async () => {
  // An old kubectl has no such command; the subresource behind it is asked elsewhere.
  if ((await k.minorVersion()) < 24) return;
  const token = (await k.run(['create', 'token', 'default', '--duration=10m'])).trim();
  expect((await ask(`${cluster.serverUrl}/api/v1/namespaces/${k.namespace}/pods`, token)).code).toBe(200);
});
