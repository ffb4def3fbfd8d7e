/** Whatever happens, slices and Endpoints say which pods a service has, mirrors follow what users wrote, and then nothing is called. */
import { expect, test } from '@jest/globals';
import type { Endpoints, Pod, Service } from '../../../proto/api/core-v1.ts';
import { endpoints, endpointSlices, pods, services } from '../../../machinery/client/resource.ts';
import { isDeleting } from '../../../machinery/meta/object.ts';
import { EndpointsController } from '../endpoints/endpoints-controller.ts';
import { EndpointSliceMirroringController } from '../endpointslice-mirroring/endpointslice-mirroring-controller.ts';
import { isPodReady, isPodTerminal } from '../runtime/plan/pod-state.ts';
import { podMoves, PROPERTY_TIMEOUT_MS, provesRest, type Moves } from '../testdata/histories.ts';
import { done } from '../testdata/pretend-nodes.ts';
import { World } from '../testdata/world.ts';
import { EndpointSliceController } from './endpointslice-controller.ts';

const { namespace } = World;
const ref = { namespace, name: 'web' };
const OWN = { name: 'own', namespace };

const service = (name: string, selector?: Record<string, string>): Service => ({
  metadata: { namespace, name },
  spec: { clusterIP: 'None', ports: [{ port: 80 }], ...(selector === undefined ? {} : { selector }) },
});
const written = (n: number): Endpoints => ({
  metadata: OWN,
  subsets: [{ addresses: [{ ip: `192.0.2.${n % 200}` }], ports: [{ port: 80 }] }],
});
const patch = ({ admin }: World, body: object): Promise<boolean> =>
  done(admin.of(services).patch(ref, body, { type: 'merge' }));

async function addressed(world: World): Promise<void> {
  const { items } = await world.admin.of(pods).list({ namespace, resourceVersion: '' });
  for (const pod of items.filter(({ spec, status }) => (spec.nodeName ?? '') !== '' && status?.podIP === undefined)) {
    const name = pod.metadata.name ?? '';
    const ip = `10.0.0.${Number(name.slice(1)) % 250}`;
    const status = { podIP: ip, podIPs: [{ ip }] };
    await done(world.admin.of(pods).patch({ namespace, name }, { status }, { type: 'merge', subresource: 'status' }));
  }
}

const moves: Moves = {
  ...podMoves,
  podMade: ({ admin }, n) => {
    const metadata = { namespace, name: `p${n}`, labels: { app: 'web' } };
    return done(admin.of(pods).create({ metadata, spec: { containers: [{ name: 'c', image: 'x' }] } }));
  },
  podsGetAddresses: addressed,
  made: ({ admin }) => done(admin.of(services).create(service('web', { app: 'web' }))),
  removed: ({ admin }) => done(admin.of(services).delete(ref)),
  port: (world, n) => patch(world, { spec: { ports: [{ port: 80 + (n % 2) }] } }),
  labelled: (world, n) => patch(world, { metadata: { labels: { tier: String(n % 2) } } }),
  selector: (world, n) => patch(world, { spec: { selector: { app: n % 2 === 0 ? 'web' : 'other' } } }),
  notReadyToo: (world, n) => patch(world, { spec: { publishNotReadyAddresses: n % 2 === 0 } }),
  wrote: ({ admin }, n) => done(admin.of(endpoints).create(written(n))),
  wroteAgain: ({ admin }, n) =>
    done(admin.of(endpoints).patch(OWN, { subsets: written(n).subsets }, { type: 'merge' })),
  unwrote: ({ admin }) => done(admin.of(endpoints).delete(OWN)),
  sliceGone: async ({ admin }, n) => {
    const { items } = await admin.of(endpointSlices).list({ namespace, resourceVersion: '' });
    const name = items[n % Math.max(1, items.length)]?.metadata.name;
    if (name !== undefined) await done(admin.of(endpointSlices).delete({ namespace, name }));
  },
  holdSlices: world => world.way.hold('endpointslices'),
};

async function check({ admin }: World): Promise<void> {
  const all = (await admin.of(pods).list({ namespace, resourceVersion: '' })).items;
  const slices = (await admin.of(endpointSlices).list({ namespace, resourceVersion: '' })).items;
  const found = (await admin.of(services).list({ namespace, resourceVersion: '' })).items;
  const inSlices = (name: string): string[] =>
    slices
      .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name)
      .flatMap(slice => slice.endpoints ?? [])
      .map(({ addresses, conditions }) => `${addresses[0]} ${conditions?.ready}`)
      .sort();
  for (const { metadata, spec } of found.filter(each => each.spec?.selector !== undefined)) {
    const tolerant = spec?.publishNotReadyAddresses === true;
    const members = all.filter(
      pod =>
        pod.metadata.labels?.['app'] === spec?.selector?.['app'] &&
        !isPodTerminal(pod) &&
        pod.status?.podIP !== undefined,
    );
    const isReady = (pod: Pod): boolean => tolerant || (isPodReady(pod) && !isDeleting(pod));
    const wanted = members.map(pod => `${pod.status?.podIP} ${isReady(pod)}`).sort();
    expect(inSlices(metadata.name ?? '')).toEqual(wanted);
    const object = await admin.of(endpoints).get({ namespace, name: metadata.name ?? '' });
    const subsets = object.subsets ?? [];
    const listed = subsets.flatMap(({ addresses = [], notReadyAddresses = [] }) => [
      ...addresses.map(({ ip }) => `${ip} true`),
      ...notReadyAddresses.map(({ ip }) => `${ip} false`),
    ]);
    const alive = members.filter(pod => tolerant || !isDeleting(pod));
    expect(listed.sort()).toEqual(alive.map(pod => `${pod.status?.podIP} ${isReady(pod)}`).sort());
  }
  const own = (await admin.of(endpoints).list({ namespace, resourceVersion: '' })).items.find(
    ({ metadata }) => metadata.name === OWN.name,
  );
  expect(inSlices('own')).toEqual((own?.subsets ?? []).flatMap(s => s.addresses ?? []).map(({ ip }) => `${ip} true`));
}

test(
  'a service has the endpoints of its pods and rests, whatever happened',
  async () => {
    await provesRest({
      moves,
      open: async () => {
        const world = await World.open({
          controllers: [
            context => new EndpointSliceController(context),
            context => new EndpointsController(context),
            context => new EndpointSliceMirroringController(context),
          ],
        });
        await world.admin.of(services).create(service('web', { app: 'web' }));
        await world.admin.of(services).create(service('own'));
        for (const n of [1, 2, 3]) await moves['podMade']?.(world, n);
        await world.pretend.step(world.nodeNames);
        await addressed(world);
        return world;
      },
      check,
      runs: 3,
    });
  },
  PROPERTY_TIMEOUT_MS,
);
