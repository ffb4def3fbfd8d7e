/** An Ingress that names no class gets the default one, where there is one. Source: kubernetes `plugin/pkg/admission/network/defaultingressclass`, 1.36. */
import type { Ingress, IngressClass } from '../../../proto/api/networking-v1.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { AdmissionPlugin } from './admission.ts';
import { newestDefault } from './newest-default.ts';

const IS_DEFAULT = 'ingressclass.kubernetes.io/is-default-class';
const OLD_CLASS = 'kubernetes.io/ingress.class';

export function defaultIngressClass(classes: ResourceStorage<IngressClass>): AdmissionPlugin {
  return {
    name: 'DefaultIngressClass',
    handles: (operation, { storedInfo }, subresource) =>
      operation === 'CREATE' &&
      storedInfo.group === 'networking.k8s.io' &&
      storedInfo.resource === 'ingresses' &&
      subresource === '',
    async admit({ object }) {
      const { metadata, spec } = object as Ingress;
      if (spec.ingressClassName !== undefined || metadata.annotations?.[OLD_CLASS] !== undefined) return;
      const name = await newestDefault(classes, c => c.metadata.annotations?.[IS_DEFAULT] === 'true');
      if (name !== undefined) spec.ingressClassName = name;
    },
  };
}
