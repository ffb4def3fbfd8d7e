/**
 * What a kubelet may do: what upstream's node rules say, and the objects of others only where a pod bound to this node needs them.
 *
 * Relations are looked up in the pods of the object's namespace at the moment of the question, so a pod that was bound a moment ago
 * already counts. Source: kubernetes.io/docs, "Using Node Authorization"; `plugin/pkg/auth/authorizer/node`.
 */
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../../proto/api/core-v1.ts';
import type { VolumeAttachment } from '../../../proto/api/storage-v1.ts';
import type { PolicyRule } from '../../../proto/api/rbac-v1.ts';
import { NO_OPINION, type Attributes, type Authorizer, type Decision } from './authorizer.ts';
import { podReferences, volumeSecrets } from './pod-references.ts';
import { ruleAllows } from './rule-match.ts';
import type { ResourceStorage } from '../storage/storage.ts';

export interface NodeAuthorizerOptions {
  readonly pods: ResourceStorage<Pod>;
  readonly persistentVolumes: ResourceStorage<PersistentVolume>;
  readonly persistentVolumeClaims: ResourceStorage<PersistentVolumeClaim>;
  readonly volumeAttachments: ResourceStorage<VolumeAttachment>;
  /** What every node may do (`system:node`). */
  readonly rules: readonly PolicyRule[];
}

const ALLOW: Decision = { kind: 'allow', reason: '' };
const READS = new Set(['get', 'list', 'watch']);
const REFERENCED = new Set([
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'persistentvolumes',
  'serviceaccounts',
  'resourceclaims',
]);

/** The node that a kubelet's user name stands for; undefined for anybody else. */
export function nodeNameOf(user: { name: string; groups: readonly string[] }): string | undefined {
  if (!user.name.startsWith('system:node:') || !user.groups.includes('system:nodes')) return undefined;
  return user.name.slice('system:node:'.length);
}

export class NodeAuthorizer implements Authorizer {
  readonly #options: NodeAuthorizerOptions;

  constructor(options: NodeAuthorizerOptions) {
    this.#options = options;
  }

  async authorize(a: Attributes): Promise<Decision> {
    const node = nodeNameOf(a.user);
    if (node === undefined) return NO_OPINION;
    if (node === '') return no(`unknown node for user "${a.user.name}"`);
    if (!a.isResource) return this.#byRules(a);
    if (a.group === '' && REFERENCED.has(a.resource)) return this.#referenced(a, node);
    if (a.group === '' && a.resource === 'nodes' && READS.has(a.verb)) return this.#ownNode(a, node);
    if (a.group === '' && a.resource === 'pods' && READS.has(a.verb)) return this.#pods(a, node);
    if (a.group === 'coordination.k8s.io' && a.resource === 'leases') return this.#lease(a, node);
    if (a.group === 'storage.k8s.io' && a.resource === 'volumeattachments') return this.#attachment(a, node);
    if (a.group === 'storage.k8s.io' && a.resource === 'csinodes' && a.name !== '' && a.name !== node) {
      return no(`node '${node}' cannot access csinode '${a.name}'`);
    }
    return this.#byRules(a);
  }

  #byRules(a: Attributes): Decision {
    return this.#options.rules.some(rule => ruleAllows(rule, a)) ? ALLOW : NO_OPINION;
  }

  #ownNode(a: Attributes, node: string): Decision {
    if (a.name === node) return ALLOW;
    if (a.name !== '') return no(`node '${node}' cannot read '${a.name}', only its own Node object`);
    return this.#byRules(a);
  }

  #pods(a: Attributes, node: string): Promise<Decision> | Decision {
    if (a.name === '' && a.fieldSelector?.split(',').includes(`spec.nodeName=${node}`) === true) return ALLOW;
    if (a.name === '') return no('can only list/watch pods with spec.nodeName field selector');
    const pod = this.#options.pods.peek(a.namespace, a.name);
    if (pod !== undefined && pod.object.spec?.nodeName === node) return ALLOW;
    return no(`node '${node}' cannot access pod '${a.namespace}/${a.name}' that is not bound to it`);
  }

  #lease(a: Attributes, node: string): Decision {
    if (a.namespace !== 'kube-node-lease') return this.#byRules(a);
    if (a.verb === 'create' || a.name === node) return ALLOW;
    return no(`can only access node lease with the same name as the requesting node`);
  }

  #attachment(a: Attributes, node: string): Decision {
    if (a.verb !== 'get' || a.subresource !== '') return no('can only get volume attachments');
    if (a.name === '') return no('No Object name found');
    const attachment = this.#options.volumeAttachments.peek('', a.name);
    return attachment?.object.spec?.nodeName === node ? ALLOW : no(missing(node));
  }

  async #referenced(a: Attributes, node: string): Promise<Decision> {
    const token = a.resource === 'serviceaccounts' && a.subresource === 'token' && a.verb === 'create';
    if (
      a.resource === 'persistentvolumeclaims' &&
      a.subresource === 'status' &&
      (a.verb === 'update' || a.verb === 'patch')
    ) {
      return (await this.#isReferenced(a, node)) ? ALLOW : no(missing(node));
    }
    if (!token && (!READS.has(a.verb) || a.subresource !== '')) return no(`can only read resources of this type`);
    if (a.name === '') return no(`No Object name found`);
    if (a.resource === 'persistentvolumes') return (await this.#volumeReferenced(a, node)) ? ALLOW : no(missing(node));
    if (await this.#isReferenced(a, node)) return ALLOW;
    if (a.resource === 'secrets' && (await this.#secretOfVolume(a, node))) return ALLOW;
    return no(missing(node));
  }

  /** Secrets that persistent volumes name are their pods' too. */
  async #secretOfVolume(a: Attributes, node: string): Promise<boolean> {
    const predicate = (volume: PersistentVolume): boolean =>
      volumeSecrets(volume).some(({ namespace, name }) => namespace === a.namespace && name === a.name);
    const { items } = await this.#options.persistentVolumes.list({ namespace: '', resourceVersion: '0', predicate });
    for (const { object } of items)
      if (await this.#volumeReferenced({ ...a, name: object.metadata.name ?? '' }, node)) return true;
    return false;
  }

  async #isReferenced(a: Attributes, node: string): Promise<boolean> {
    const predicate = (pod: Pod): boolean => pod.spec?.nodeName === node && podReferences(pod, a.resource, a.name);
    const { items } = await this.#options.pods.list({ namespace: a.namespace, resourceVersion: '0', predicate });
    return items.length > 0;
  }

  async #volumeReferenced(a: Attributes, node: string): Promise<boolean> {
    const volume = this.#options.persistentVolumes.peek('', a.name);
    const claim = volume?.object.spec?.claimRef;
    if (claim?.namespace === undefined || claim.name === undefined) return false;
    return this.#isReferenced(
      { ...a, namespace: claim.namespace, resource: 'persistentvolumeclaims', name: claim.name },
      node,
    );
  }
}

function missing(node: string): string {
  return `no relationship found between node '${node}' and this object`;
}

function no(reason: string): Decision {
  return { kind: 'noOpinion', reason };
}
