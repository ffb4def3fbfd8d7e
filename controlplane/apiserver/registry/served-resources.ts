/**
 * Makes every built-in kind a served resource: its strategy (a generic one where it has none of its own), its storage and its hooks.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { kinds, type KindInfo } from '../../../proto/api/kinds.ts';
import { convertedKinds, strategyOf } from '../kinds/strategies.ts';
import type { Storage } from '../storage/storage.ts';
import { namespaceHooks } from './namespace-hooks.ts';
import { apiVersionOf, type RegistryHooks, type ServedResource } from './served-resource.ts';

/** Kinds whose DELETE answers with the object. */
const RETURNS_DELETED = new Set([
  'pods',
  'services',
  'serviceaccounts',
  'podtemplates',
  'resourcequotas',
  'persistentvolumes',
  'persistentvolumeclaims',
  'storageclasses',
  'volumeattachments',
  'csinodes',
  'csidrivers',
  'volumeattributesclasses',
]);

export interface ServedResourcesOptions {
  readonly storage: Storage;
  readonly serviceHooks: RegistryHooks;
}

export function servedResources({ storage, serviceHooks }: ServedResourcesOptions): ServedResource[] {
  return kinds.map(info => {
    const converted = convertedKinds.find(kind => kind.info === info);
    const strategy = strategyOf(info);
    const storedInfo = strategy.info;
    const hooks =
      storedInfo.group !== ''
        ? undefined
        : storedInfo.kind === 'Service'
          ? serviceHooks
          : storedInfo.kind === 'Namespace'
            ? namespaceHooks
            : undefined;
    return {
      info,
      storedInfo,
      strategy,
      storage: storage.resource<AnyObject>(configOf(storedInfo)),
      conversion: converted?.conversion,
      hooks,
      returnsDeleted: RETURNS_DELETED.has(info.resource),
    };
  });
}

/** Where upstream's etcd keeps a few kinds under other names than their own. */
const PREFIXES: Readonly<Record<string, string>> = {
  '/services': '/registry/services/specs/',
  '/endpoints': '/registry/services/endpoints/',
  '/nodes': '/registry/minions/',
  'networking.k8s.io/ingresses': '/registry/ingress/',
};

function configOf(info: KindInfo): {
  group: string;
  resource: string;
  apiVersion: string;
  kind: string;
  prefix: string;
} {
  const { group, resource, kind } = info;
  const legacy = new Set(['', 'apps', 'batch', 'autoscaling', 'policy', 'extensions']);
  // Groups with a domain keep theirs in the key, but for the first few.
  const short = new Set([
    'coordination.k8s.io',
    'discovery.k8s.io',
    'networking.k8s.io',
    'storage.k8s.io',
    'scheduling.k8s.io',
    'certificates.k8s.io',
    'node.k8s.io',
    'rbac.authorization.k8s.io',
    'admissionregistration.k8s.io',
    'flowcontrol.apiserver.k8s.io',
    'events.k8s.io',
  ]);
  const prefix =
    PREFIXES[`${group}/${resource}`] ??
    (legacy.has(group) || short.has(group) ? `/registry/${resource}/` : `/registry/${group}/${resource}/`);
  return { group, resource, apiVersion: apiVersionOf(info), kind, prefix };
}
