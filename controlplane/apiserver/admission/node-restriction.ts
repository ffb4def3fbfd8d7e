/**
 * A kubelet writes its own node, its own lease and the pods that are bound to it, and nothing else's.
 * Source: kubernetes `plugin/pkg/admission/noderestriction`.
 */
import { mayKubeletSet } from '../../../machinery/meta/node-labels.ts';
import { forbidden } from '../../../machinery/meta/status-error.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { nodeNameOf } from '../authz/node-authorizer.ts';
import { groupResource } from '../registry/served-resource.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

const GUARDED = new Set(['pods', 'nodes', 'leases', 'csinodes']);
const MIRROR = 'kubernetes.io/config.mirror';
export const nodeRestriction: AdmissionPlugin = {
  name: 'NodeRestriction',
  handles: (_operation, { storedInfo }) => GUARDED.has(storedInfo.resource),
  validate(request) {
    const node = nodeNameOf(request.context.user);
    if (node === undefined) return;
    switch (request.resource.storedInfo.resource) {
      case 'pods':
        return checkPod(request, node);
      case 'nodes':
        return checkNode(request, node);
      case 'leases':
        return checkLease(request, node);
      default:
        if (request.name !== node)
          refuse(request, node, `is not allowed to modify CSINode ${JSON.stringify(request.name)}`);
    }
  },
};

function refuse({ resource, name }: AdmissionRequest, node: string, why: string): never {
  throw forbidden(groupResource(resource.info), name, `node ${JSON.stringify(node)} ${why}`);
}

function checkPod(request: AdmissionRequest, node: string): void {
  const pod = (request.object ?? request.older) as Pod;
  if (request.operation === 'CREATE') {
    if (pod.metadata.annotations?.[MIRROR] === undefined)
      refuse(request, node, `pod does not have "${MIRROR}" annotation, can only create mirror pods`);
    if (pod.spec?.nodeName !== node) refuse(request, node, `can only create pods with spec.nodeName set to itself`);
    return;
  }
  if (request.operation === 'UPDATE' && request.subresource !== 'status')
    refuse(request, node, 'can only update pod status');
  if ((request.older as Pod | undefined)?.spec?.nodeName !== node)
    refuse(
      request,
      node,
      `can only ${request.operation === 'DELETE' ? 'delete' : 'update status for'} pods with spec.nodeName set to itself`,
    );
}

function checkNode(request: AdmissionRequest, node: string): void {
  if (request.name !== node) refuse(request, node, `is not allowed to modify node ${JSON.stringify(request.name)}`);
  const labels = request.object?.metadata.labels ?? {};
  const was = request.older?.metadata.labels ?? {};
  for (const key of new Set([...Object.keys(labels), ...Object.keys(was)])) {
    if (labels[key] === was[key] || mayKubeletSet(key)) continue;
    refuse(
      request,
      node,
      `is not allowed to ${request.operation === 'CREATE' ? 'set' : 'modify'} the following labels: ${key}`,
    );
  }
}

function checkLease(request: AdmissionRequest, node: string): void {
  if (request.namespace !== 'kube-node-lease') return;
  const name = request.name === '' ? request.object?.metadata.name : request.name;
  if (name !== node) refuse(request, node, `is not allowed to access lease ${JSON.stringify(name ?? '')}`);
}
