/**
 * Namespaces are held by spec.finalizers until their content is gone, and show that they are going.
 */
import type { Namespace } from '../../../proto/api/core-v1.ts';
import type { RegistryHooks } from './served-resource.ts';

export const namespaceHooks: RegistryHooks = {
  isHeld: object => ((object as Namespace).spec?.finalizers ?? []).length > 0,
  onDeletionBegun(object) {
    const namespace = object as Namespace;
    namespace.status = { ...namespace.status, phase: 'Terminating' };
  },
};
