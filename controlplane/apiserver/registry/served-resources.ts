/**
 * Makes every kind that is served a resource: its strategy, its storage and its hooks.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { KindInfo } from '../../../proto/api/kinds.ts';
import { convertedKinds, strategyOf } from '../kinds/strategies.ts';
import { keyPrefixOf } from '../storage/key-layout.ts';
import type { ResourceConfig, Storage } from '../storage/storage.ts';
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
  /** In the order of discovery. */
  readonly kinds: readonly KindInfo[];
  readonly storage: Storage;
  readonly serviceHooks: RegistryHooks;
}

export function servedResources({ kinds, storage, serviceHooks }: ServedResourcesOptions): ServedResource[] {
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

function configOf(info: KindInfo): ResourceConfig {
  const { group, resource, kind } = info;
  return { group, resource, apiVersion: apiVersionOf(info), kind, prefix: keyPrefixOf(group, resource) };
}
