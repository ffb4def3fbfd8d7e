import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import type { Deployment } from '../../proto/api/apps-v1.ts';
import type { Node, Pod, Service } from '../../proto/api/core-v1.ts';
import { RestClient } from '../../machinery/client/rest-client.ts';
import {
  certificateSigningRequests,
  clusterRoles,
  configMaps,
  deployments,
  namespaces,
  nodes,
  pods,
  resourceQuotas,
  secrets,
  serviceAccounts,
  serviceCidrs,
  services,
} from '../../machinery/client/resource.ts';
import { bootstrapTokenSecret, generateBootstrapToken } from '../../machinery/pki/bootstrap-token.ts';
import { generateKeyPem } from '../../machinery/pki/certificate.ts';
import { createSigningRequest } from '../../machinery/pki/signing-request.ts';
import { AllControllers, gone } from './testdata/all-controllers.ts';

const all = new AllControllers();
const { admin, eventually, makeNamespace, authority, server } = all;

beforeAll(() => all.start());
afterAll(() => all.close());

function deployment(namespace: string, image: string, replicas = 3): Deployment {
  const labels = { app: 'web' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image }] } };
  return {
    metadata: { namespace, name: 'web' },
    spec: { replicas, selector: { matchLabels: labels }, template },
  } as Deployment;
}

test('a namespace gets its service account and root CA', async () => {
  await makeNamespace('a');
  const map = await eventually('root CA', () =>
    admin
      .of(configMaps)
      .get({ namespace: 'a', name: 'kube-root-ca.crt' })
      .catch(() => undefined),
  );
  expect(map.data?.['ca.crt']).toBe(authority.certPem);
});

test('a quota lets through what it has room for, however many ask at once, and gives back what goes', async () => {
  await makeNamespace('quota');
  const ref = { namespace: 'quota', name: 'few' };
  const hard = { pods: '5', 'requests.cpu': '450m', 'count/deployments.apps': '1', services: '0' };
  await admin.of(resourceQuotas).create({ metadata: ref, spec: { hard } });
  const used = (name: string, amount: string) => async () =>
    (await admin.of(resourceQuotas).get(ref)).status?.used?.[name] === amount ? true : undefined;
  await eventually('counted', used('pods', '0'));
  const pod = (i: number, cpu?: string) => {
    const resources = cpu === undefined ? {} : { requests: { cpu } };
    const spec = { containers: [{ name: 'c', image: 'x', resources }] };
    return admin.of(pods).create({ metadata: { namespace: 'quota', name: `p${i}` }, spec } as Pod);
  };
  const outcomes = await Promise.allSettled(Array.from({ length: 12 }, (_, i) => pod(i, '100m')));
  expect(outcomes.filter(outcome => outcome.status === 'fulfilled').length).toBe(4);
  await expect(pod(50, '100m')).rejects.toThrow(
    'pods "p50" is forbidden: exceeded quota: few, requested: requests.cpu=100m, used: requests.cpu=400m, limited: requests.cpu=450m',
  );
  await expect(pod(51)).rejects.toThrow('failed quota: few: must specify requests.cpu for: c');
  await eventually('all counted', used('pods', '4'));
  const [first] = (await admin.of(pods).list({ namespace: 'quota' })).items;
  await admin.of(pods).delete({ namespace: 'quota', name: first?.metadata.name ?? '' }, { gracePeriodSeconds: 0 });
  await eventually('given back', used('requests.cpu', '300m'));
  await pod(60, '150m');
  await admin.of(deployments).create(deployment('quota', 'x', 0));
  await expect(
    admin.of(deployments).create({ ...deployment('quota', 'x', 0), metadata: { namespace: 'quota', name: 'more' } }),
  ).rejects.toThrow('exceeded quota: few, requested: count/deployments.apps=1');
  const service = { metadata: { namespace: 'quota', name: 's' }, spec: { ports: [{ port: 1 }] } } as Service;
  await expect(admin.of(services).create(service)).rejects.toThrow('exceeded quota');
});

test('a node gets a range of addresses', async () => {
  await admin.of(nodes).create({ metadata: { name: 'n1' } } as Node);
  const node = await eventually('range', async () => {
    const found = await admin.of(nodes).get({ name: 'n1' });
    return found.spec?.podCIDR === undefined ? undefined : found;
  });
  expect(node.spec?.podCIDRs).toEqual([expect.stringMatching(/^10\.42\.\d+\.0\/24$/)]);
});

test('a range of service addresses is made ready, and kept while one of its addresses is in use', async () => {
  const ref = { name: 'more' };
  await admin.of(serviceCidrs).create({ metadata: ref, spec: { cidrs: ['10.77.0.0/24'] } });
  const conditionOf = async () => (await admin.of(serviceCidrs).get(ref)).status?.conditions?.[0];
  await eventually('ready', async () => ((await conditionOf())?.status === 'True' ? true : undefined));
  const { metadata } = await admin.of(serviceCidrs).get(ref);
  expect(metadata.finalizers).toEqual(['networking.k8s.io/service-cidr-finalizer']);
  const spec = { clusterIP: '10.77.0.7', ports: [{ port: 80 }] };
  await admin.of(services).create({ metadata: { namespace: 'default', name: 'in-more' }, spec });
  await admin.of(serviceCidrs).delete(ref);
  const told = await eventually('told', async () => {
    const condition = await conditionOf();
    return condition?.status === 'False' ? condition : undefined;
  });
  expect(told).toMatchObject({
    type: 'Ready',
    reason: 'Terminating',
    message: expect.stringMatching(/^There are still IPAddresses/),
  });
  // Nobody gets an address of it any more.
  const another = { metadata: { namespace: 'default', name: 'late' }, spec: { ...spec, clusterIP: '10.77.0.8' } };
  await expect(admin.of(services).create(another)).rejects.toThrow('not in the valid range');
  await admin.of(services).delete({ namespace: 'default', name: 'in-more' });
  // Without the ten seconds that it would wait.
  await admin.of(serviceCidrs).patch(ref, { metadata: { finalizers: null } }, { type: 'merge' });
  await eventually('gone', () => gone(() => admin.of(serviceCidrs).get(ref)));
});

test('a namespace is emptied and goes', async () => {
  await makeNamespace('e');
  await admin.of(deployments).create(deployment('e', 'x', 2));
  await eventually('pods', async () =>
    (await admin.of(pods).list({ namespace: 'e' })).items.length === 2 ? true : undefined,
  );
  await admin.of(namespaces).delete({ name: 'e' });
  await eventually('namespace gone', () => gone(() => admin.of(namespaces).get({ name: 'e' })));
  expect((await admin.of(pods).list({ namespace: 'e' })).items).toEqual([]);
});

test('a joining node gets its certificate', async () => {
  const csr = createSigningRequest(generateKeyPem(), { commonName: 'system:node:n9', organizations: ['system:nodes'] });
  const token = generateBootstrapToken();
  await admin.of(secrets).create(bootstrapTokenSecret(token, { expiresAtMs: Date.now() + 3000 }));
  const joiner = new RestClient(
    server.inProcess({ name: `system:bootstrap:${token.id}`, groups: ['system:bootstrappers'] }),
  );
  const signerName = 'kubernetes.io/kube-apiserver-client-kubelet';
  const spec = {
    request: Buffer.from(csr).toString('base64'),
    signerName,
    usages: ['digital signature', 'client auth'],
  };
  await admin.raw('GET', '/readyz');
  const groups = ['system:bootstrappers', 'system:bootstrappers:k8ts:default-node-token'];
  const asGroup = new RestClient(server.inProcess({ name: `system:bootstrap:${token.id}`, groups }));
  await asGroup
    .of(certificateSigningRequests)
    .create({ metadata: { name: 'n9' }, spec } as never)
    .catch(async () => {
      // The default bindings decide who may ask; what is tested here is the answer.
      await joiner.of(certificateSigningRequests).create({ metadata: { name: 'n9' }, spec } as never);
    });
  const signed = await eventually('certificate', async () => {
    const found = await admin.of(certificateSigningRequests).get({ name: 'n9' });
    return found.status?.certificate === undefined ? undefined : found.status.certificate;
  });
  const certificate = new X509Certificate(Buffer.from(signed, 'base64'));
  expect(certificate.subject).toContain('CN=system:node:n9');
  expect(certificate.verify(new X509Certificate(authority.certPem).publicKey)).toBe(true);
  await eventually('expired token goes', () =>
    gone(() => admin.of(secrets).get({ namespace: 'kube-system', name: `bootstrap-token-${token.id}` })),
  );
});

test('a Secret for a token of a service account is filled, and goes with the account', async () => {
  await makeNamespace('f');
  const annotations = { 'kubernetes.io/service-account.name': 'default' };
  await admin.of(secrets).create({
    metadata: { namespace: 'f', name: 't', annotations },
    type: 'kubernetes.io/service-account-token',
  } as never);
  const filled = await eventually('token', async () => {
    const found = await admin.of(secrets).get({ namespace: 'f', name: 't' });
    return found.data?.['token'] === undefined ? undefined : found;
  });
  expect(Buffer.from(filled.data?.['namespace'] ?? '', 'base64').toString()).toBe('f');
  await admin.of(serviceAccounts).delete({ namespace: 'f', name: 'default' });
  await eventually('secret gone', () => gone(() => admin.of(secrets).get({ namespace: 'f', name: 't' })));
});

test('a role made of others gets their rules', async () => {
  const rules = [{ verbs: ['get'], apiGroups: ['example.test'], resources: ['widgets'] }];
  const labels = { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' };
  await admin.of(clusterRoles).create({ metadata: { name: 'widgets', labels }, rules });
  const has = (name: string) =>
    eventually(`rule in ${name}`, async () => {
      const role = await admin.of(clusterRoles).get({ name });
      return role.rules?.some(rule => rule.apiGroups?.includes('example.test')) === true ? true : undefined;
    });
  // Through view into edit, and through that into admin.
  for (const name of ['view', 'edit', 'admin']) expect(await has(name)).toBe(true);
});

test('at rest the controllers ask nothing, and nothing they did was refused', () => all.expectRest());
