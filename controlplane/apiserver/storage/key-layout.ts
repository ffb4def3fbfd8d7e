/**
 * Where each resource lies in the store: as in upstream's etcd, so that tools for backup and repair find it. The one place that says so, for every store.
 * Source: Kubernetes, `pkg/kubeapiserver/default_storage_factory_builder.go` (special prefixes) and `apiserver/pkg/server/storage`, 1.36.
 */
import {
  KeyExistsError,
  KeyNotFoundError,
  RevisionConflictError,
  type KeyValue,
  type Store,
} from '../../store/store.ts';

/** Kinds that lie under other names than their own. */
const SPECIAL: Readonly<Record<string, string>> = {
  '/services': 'services/specs',
  '/endpoints': 'services/endpoints',
  '/nodes': 'minions',
  '/replicationcontrollers': 'controllers',
  'networking.k8s.io/ingresses': 'ingress',
  'apiextensions.k8s.io/customresourcedefinitions': 'apiextensions.k8s.io/customresourcedefinitions',
  'apiregistration.k8s.io/apiservices': 'apiregistration.k8s.io/apiservices',
};

/** Built-in kinds lie under their resource's name alone, whatever their group. */
export function keyPrefixOf(group: string, resource: string): string {
  return `/registry/${SPECIAL[`${group}/${resource}`] ?? resource}/`;
}

/** Where k8ts 0.1 kept a few resources, and where they belong. */
const MOVED: readonly (readonly [from: string, to: string])[] = [
  ['/registry/replicationcontrollers/', keyPrefixOf('', 'replicationcontrollers')],
  ...['deviceclasses', 'resourceclaims', 'resourceclaimtemplates', 'resourceslices'].map(
    resource => [`/registry/resource.k8s.io/${resource}/`, keyPrefixOf('resource.k8s.io', resource)] as const,
  ),
];
const PAGE = 500;

/**
 * Moves what an older version left elsewhere. Before anything else reads the store; may be cut short and done again.
 * @returns how many objects were moved
 */
export async function moveToLayout(store: Store): Promise<number> {
  let moved = 0;
  for (const [from, to] of MOVED) {
    for (let more = true; more;) {
      const page = await store.list(from, { limit: PAGE });
      for (const kv of page.items) await move(store, kv, `${to}${kv.key.slice(from.length)}`);
      moved += page.items.length;
      ({ more } = page);
    }
  }
  return moved;
}

async function move(store: Store, { key, value, revision }: KeyValue, to: string): Promise<void> {
  try {
    await store.create(to, value);
  } catch (error) {
    // Left by a move that was cut short, or newer than what is moved.
    if (!(error instanceof KeyExistsError)) throw error;
  }
  try {
    await store.delete(key, { expectedRevision: revision });
  } catch (error) {
    // Another server moves it as well.
    if (!(error instanceof KeyNotFoundError) && !(error instanceof RevisionConflictError)) throw error;
  }
}
