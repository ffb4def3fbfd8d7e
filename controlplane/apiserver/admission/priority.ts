/**
 * Turns a pod's priorityClassName into its priority and preemption policy.
 */
import { forbidden } from '../../../machinery/meta/status-error.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PriorityClass } from '../../../proto/api/scheduling-v1.ts';
import { groupResource } from '../registry/served-resource.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

export function priorityAdmission(classes: ResourceStorage<PriorityClass>): AdmissionPlugin {
  return {
    name: 'Priority',
    handles: (operation, { storedInfo }, subresource) =>
      operation === 'CREATE' && storedInfo.group === '' && storedInfo.resource === 'pods' && subresource === '',
    async admit(request) {
      const { spec } = request.object as Pod;
      if (spec === undefined) return;
      const found = await classFor(classes, request, spec.priorityClassName ?? '');
      const value = found?.value ?? 0;
      if (spec.priority !== undefined && spec.priority !== value) {
        const why = `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`;
        throw forbidden(groupResource(request.resource.info), request.name, why);
      }
      if (found !== undefined) spec.priorityClassName = found.metadata.name;
      spec.priority = value;
      spec.preemptionPolicy ??= found?.preemptionPolicy ?? 'PreemptLowerPriority';
    },
  };
}

async function classFor(
  classes: ResourceStorage<PriorityClass>,
  request: AdmissionRequest,
  name: string,
): Promise<PriorityClass | undefined> {
  if (name === '') {
    const { items } = await classes.list({ resourceVersion: '0', predicate: c => c.globalDefault === true });
    return items.map(item => item.object).sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
  }
  const found = classes.peek('', name) ?? (await classes.get('', name).catch(() => undefined));
  if (found === undefined)
    throw forbidden(groupResource(request.resource.info), request.name, `no PriorityClass with name ${name} was found`);
  return found.object;
}
