/**
 * Nothing is created in a namespace that does not exist or is being deleted, and the three namespaces that the cluster stands on stay.
 */
import { absent } from '../../../machinery/meta/status-error-from.ts';
import { forbidden, notFound } from '../../../machinery/meta/status-error.ts';
import type { Namespace } from '../../../proto/api/core-v1.ts';
import { groupResource } from '../registry/served-resource.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

const IMMORTAL = new Set(['default', 'kube-system', 'kube-public']);

export function namespaceLifecycle(namespaces: ResourceStorage<Namespace>): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    handles: (operation, { info }, subresource) =>
      subresource === '' &&
      (info.namespaced
        ? operation === 'CREATE'
        : operation === 'DELETE' && info.group === '' && info.resource === 'namespaces'),
    admit: request => (request.operation === 'CREATE' ? checkExists(namespaces, request) : undefined),
    validate({ operation, name, resource }) {
      if (operation === 'DELETE' && IMMORTAL.has(name))
        throw forbidden(groupResource(resource.info), name, 'this namespace may not be deleted');
    },
  };
}

async function checkExists(
  namespaces: ResourceStorage<Namespace>,
  { resource, namespace, name }: AdmissionRequest,
): Promise<void> {
  let found = namespaces.peek('', namespace);
  // Somebody else's API server may have made it a moment ago.
  found ??= await namespaces.get('', namespace).catch(absent);
  if (found === undefined) throw notFound({ group: '', resource: 'namespaces' }, namespace);
  if (found.object.metadata.deletionTimestamp === undefined && found.object.status?.phase !== 'Terminating') return;
  const error = forbidden(
    groupResource(resource.info),
    name,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  };
  if (error.details !== undefined) error.details.causes = [cause];
  throw error;
}
