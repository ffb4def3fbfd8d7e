/**
 * The small controllers that keep a cluster in order, all at once, through random histories with kills, refused calls and lost answers, on the real
 * API server: at rest everything is as it should be, and no call is made.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Namespace, Node, Secret } from '../../proto/api/core-v1.ts';
import type { ClusterRole } from '../../proto/api/rbac-v1.ts';
import {
  clusterRoles,
  configMaps,
  namespaces,
  nodes,
  secrets,
  serviceAccounts,
  type AnyObject,
  type Resource,
} from '../../machinery/client/resource.ts';
import { hasReason } from '../../machinery/meta/status-error-from.ts';
import { bootstrapTokenSecret, generateBootstrapToken } from '../../machinery/pki/bootstrap-token.ts';
import { BootstrapTokenController } from './bootstrap/bootstrap-token-controller.ts';
import { NamespaceController } from './namespace/namespace-controller.ts';
import { NodeCidrController } from './node-cidr/node-cidr-controller.ts';
import { RoleAggregationController } from './role-aggregation/role-aggregation-controller.ts';
import { RootCaController } from './root-ca/root-ca-controller.ts';
import type { Controller, ControllerContext } from './runtime/controller.ts';
import { TokenController } from './service-account-token/token-controller.ts';
import { ServiceCidrsController } from './service-cidr/service-cidrs-controller.ts';
import { ServiceAccountController } from './serviceaccount/service-account-controller.ts';
import { World } from './testdata/world.ts';

const CA = 'the authority';
const ROOT_CA = 'kube-root-ca.crt';
const options = { caPem: CA, issuer: { issueLegacy: () => 'a token' }, everyAccount: false };
const controllers: ((context: ControllerContext) => Controller)[] = [
  context => new NamespaceController(context),
  context => new ServiceAccountController(context),
  context => new RootCaController(context, CA),
  context => new TokenController(context, options),
  context => new RoleAggregationController(context),
  context => new NodeCidrController(context, { clusterCidrs: ['10.42.0.0/22'] }),
  context => new ServiceCidrsController(context),
  context => new BootstrapTokenController(context, context.client),
];

const KINDS = [
  'namespace',
  'noNamespace',
  'noAccount',
  'noAuthority',
  'otherAuthority',
  'token',
  'part',
  'noPart',
  'node',
  'noNode',
  'joinToken',
  'kill',
  'refused',
  'lost',
  'time',
] as const;
const step = fc.record({ kind: fc.constantFrom(...KINDS), at: fc.nat(3) });
const BY = { 'x.io/part-of': 'whole' };
const ruleOf = (at: number) => ({ apiGroups: ['x.io'], resources: [`r${at}`], verbs: ['get'] });

test('at rest all is as it should be, and no call is made', async () => {
  const world = await World.open({ controllers, nodeNames: [] });
  const { admin } = world;
  const make = (resource: Resource<AnyObject>, object: AnyObject) =>
    admin
      .of(resource)
      .create(object)
      .catch(only('AlreadyExists', 'Forbidden', 'NotFound'));
  const remove = (resource: Resource<AnyObject>, name: string, namespace?: string) =>
    admin.of(resource).delete({ namespace, name }).catch(only('NotFound'));
  await make(clusterRoles, {
    metadata: { name: 'whole' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: BY }] },
  } as ClusterRole);
  const names = async (resource: Resource<AnyObject>) => (await admin.of(resource).list()).items;

  const take = async ({ kind, at }: { kind: (typeof KINDS)[number]; at: number }): Promise<void> => {
    const namespace = `ns${at}`;
    switch (kind) {
      case 'namespace':
        return void (await make(namespaces, { metadata: { name: namespace }, spec: {} } as Namespace));
      case 'noNamespace':
        return void (await remove(namespaces, namespace));
      case 'noAccount':
        return void (await remove(serviceAccounts, 'default', namespace));
      case 'noAuthority':
        return void (await remove(configMaps, ROOT_CA, namespace));
      case 'otherAuthority': {
        const patch = { data: { 'ca.crt': 'another' } };
        const ref = { namespace, name: ROOT_CA };
        return void (await admin.of(configMaps).patch(ref, patch, { type: 'merge' }).catch(only('NotFound')));
      }
      case 'token': {
        const annotations = { 'kubernetes.io/service-account.name': 'default' };
        const metadata = { namespace, name: `t${Math.floor(world.clock.now() / 1000)}`, annotations };
        return void (await make(secrets, { metadata, type: 'kubernetes.io/service-account-token' } as Secret));
      }
      case 'part':
        return void (await make(clusterRoles, {
          metadata: { name: `part${at}`, labels: BY },
          rules: [ruleOf(at)],
        } as ClusterRole));
      case 'noPart':
        return void (await remove(clusterRoles, `part${at}`));
      case 'node':
        return void (await make(nodes, { metadata: { name: `node${at}` }, spec: {} } as Node));
      case 'noNode':
        return void (await remove(nodes, `node${at}`));
      case 'joinToken': {
        const expiresAtMs = world.clock.now() + at * 1000;
        return void (await make(secrets, bootstrapTokenSecret(generateBootstrapToken(), { expiresAtMs })));
      }
      case 'kill':
        return world.restart();
      case 'refused':
      case 'lost':
        return void world.way.faults.push(kind, undefined, kind);
      case 'time':
        return world.clock.advance(500);
    }
  };

  const run = async (steps: readonly { kind: (typeof KINDS)[number]; at: number }[]): Promise<void> => {
    for (const each of steps) await take(each);
    await world.settle();
    for (const { metadata } of await names(namespaces)) {
      const namespace = metadata.name ?? '';
      expect(metadata.deletionTimestamp).toBeUndefined();
      await admin.of(serviceAccounts).get({ namespace, name: 'default' });
      expect((await admin.of(configMaps).get({ namespace, name: ROOT_CA })).data).toEqual({ 'ca.crt': CA });
    }
    for (const secret of (await names(secrets)) as Secret[]) {
      const namespace = secret.metadata.namespace ?? '';
      const account = await admin.of(serviceAccounts).get({ namespace, name: 'default' });
      expect(secret.metadata.annotations?.['kubernetes.io/service-account.uid']).toBe(account.metadata.uid);
      expect(Buffer.from(secret.data?.['token'] ?? '', 'base64').toString()).toBe('a token');
    }
    const roles = (await names(clusterRoles)) as ClusterRole[];
    const parts = roles.filter(role => role.metadata.name?.startsWith('part')).flatMap(role => role.rules ?? []);
    expect(roles.find(role => role.metadata.name === 'whole')?.rules ?? []).toEqual(parts);
    const ranges = ((await names(nodes)) as Node[]).map(node => node.spec.podCIDR);
    expect(new Set(ranges).size).toBe(ranges.length);
    expect(ranges).not.toContain(undefined);
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 20 }), run), { numRuns: 15 });
  await world.expectRest();
  await world.close();
});

function only(...reasons: Parameters<typeof hasReason>[1][]): (error: unknown) => void {
  return error => {
    if (!hasReason(error, ...reasons)) throw error;
  };
}
