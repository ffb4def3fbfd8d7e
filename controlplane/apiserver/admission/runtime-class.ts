/**
 * A pod that names a RuntimeClass gets what the class says: overhead, node selector, tolerations. One whose class does not exist is
 * refused, as is an overhead that no class gave.
 * Source: kubernetes `plugin/pkg/admission/runtimeclass/admission.go`, 1.36: texts.
 */
import { absent } from '../../../machinery/meta/status-error-from.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { forbidden } from '../../../machinery/meta/status-error.ts';
import type { Pod, PodSpec } from '../../../proto/api/core-v1.ts';
import type { RuntimeClass } from '../../../proto/api/node-v1.ts';
import { groupResource } from '../registry/served-resource.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { AdmissionPlugin } from './admission.ts';

export function runtimeClassAdmission(classes: ResourceStorage<RuntimeClass>): AdmissionPlugin {
  return {
    name: 'RuntimeClass',
    handles: (operation, { storedInfo }, subresource) =>
      operation === 'CREATE' && storedInfo.group === '' && storedInfo.resource === 'pods' && subresource === '',
    async admit({ object, resource, name }) {
      const { spec } = object as Pod;
      if (spec === undefined) return;
      const wanted = spec.runtimeClassName ?? '';
      const found =
        wanted === '' ? undefined : (classes.peek('', wanted) ?? (await classes.get('', wanted).catch(absent)));
      const problem =
        wanted !== '' && found === undefined
          ? `RuntimeClass ${JSON.stringify(wanted)} not found`
          : applyRuntimeClass(spec, found?.object);
      if (problem !== undefined) throw forbidden(groupResource(resource.info), name, `pod rejected: ${problem}`);
    },
  };
}

/** Changes `spec` in place. @returns why it cannot be */
export function applyRuntimeClass(spec: PodSpec, runtimeClass: RuntimeClass | undefined): string | undefined {
  const overhead = runtimeClass?.overhead?.podFixed;
  if (spec.overhead !== undefined) {
    if (overhead === undefined) return 'Pod Overhead set without corresponding RuntimeClass defined Overhead';
    if (!jsonEquals(spec.overhead, overhead)) return "Pod's Overhead doesn't match RuntimeClass's defined Overhead";
  } else if (overhead !== undefined) spec.overhead = { ...overhead };
  const { nodeSelector = {}, tolerations = [] } = runtimeClass?.scheduling ?? {};
  for (const [key, value] of Object.entries(nodeSelector)) {
    const own = spec.nodeSelector?.[key];
    if (own !== undefined && own !== value)
      return `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`;
  }
  if (Object.keys(nodeSelector).length > 0) spec.nodeSelector = { ...spec.nodeSelector, ...nodeSelector };
  const missing = tolerations.filter(wanted => !(spec.tolerations ?? []).some(own => jsonEquals(own, wanted)));
  if (missing.length > 0) spec.tolerations = [...(spec.tolerations ?? []), ...missing];
  return undefined;
}
