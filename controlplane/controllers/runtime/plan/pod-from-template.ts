/**
 * The pod that a template asks for. Pure. Source: upstream `GetPodFromTemplate`.
 */
import type { Pod, PodTemplateSpec } from '../../../../proto/api/core-v1.ts';
import { controllerRef, type GroupVersionKind, type KubeObject } from '../../../../machinery/meta/object.ts';

/** The server adds a random suffix to the owner's name. */
export function podFromTemplate(template: PodTemplateSpec, owner: KubeObject, ownerKind: GroupVersionKind): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${owner.metadata.name}-`,
      namespace: owner.metadata.namespace,
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ...(finalizers === undefined ? {} : { finalizers }),
      ownerReferences: [controllerRef(owner, ownerKind)],
    },
    spec: template.spec ?? { containers: [] },
  };
}
