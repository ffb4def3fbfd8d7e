/**
 * Turns a pod's priorityClassName into its priority and preemption policy, and lets one class alone be the default.
 * Source: kubernetes `plugin/pkg/admission/priority/admission.go`, 1.36: texts.
 */
import { absent } from '../../../machinery/meta/status-error-from.ts';
import { forbidden } from '../../../machinery/meta/status-error.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PriorityClass } from '../../../proto/api/scheduling-v1.ts';
import { groupResource } from '../registry/served-resource.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

export function priorityAdmission(classes: ResourceStorage<PriorityClass>): AdmissionPlugin {
  return {
    name: 'Priority',
    handles: (operation, { storedInfo }, subresource) => {
      const isPods = storedInfo.group === '' && storedInfo.resource === 'pods' && subresource === '';
      const isClasses = storedInfo.group === 'scheduling.k8s.io' && storedInfo.resource === 'priorityclasses';
      return (isPods || isClasses) && (operation === 'CREATE' || operation === 'UPDATE');
    },
    async validate(request) {
      if (request.resource.storedInfo.resource !== 'priorityclasses') return;
      const wanted = request.object as PriorityClass;
      if (wanted.globalDefault !== true) return;
      const other = (await defaultsOf(classes)).find(found => found.metadata.name !== wanted.metadata.name);
      if (other === undefined) return;
      const why = `PriorityClass ${other.metadata.name} is already marked as default. Only one default can exist`;
      throw forbidden(groupResource(request.resource.info), request.name, why);
    },
    async admit(request) {
      if (request.resource.storedInfo.resource !== 'pods') return;
      const { spec } = request.object as Pod;
      if (spec === undefined) return;
      if (request.operation === 'UPDATE') {
        // Who writes a whole pod may leave out what he did not set.
        const older = request.older as Pod | undefined;
        spec.priority ??= older?.spec.priority;
        spec.preemptionPolicy ??= older?.spec.preemptionPolicy;
        return;
      }
      const found = await classFor(classes, request, spec.priorityClassName ?? '');
      const value = found?.value ?? 0;
      if (spec.priority !== undefined && spec.priority !== value) {
        const why = `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`;
        throw forbidden(groupResource(request.resource.info), request.name, why);
      }
      if (found !== undefined) spec.priorityClassName = found.metadata.name;
      spec.priority = value;
      const policy = found?.preemptionPolicy ?? 'PreemptLowerPriority';
      if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy) {
        const why = `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`;
        throw forbidden(groupResource(request.resource.info), request.name, why);
      }
      spec.preemptionPolicy = policy;
    },
  };
}

async function classFor(
  classes: ResourceStorage<PriorityClass>,
  request: AdmissionRequest,
  name: string,
): Promise<PriorityClass | undefined> {
  if (name === '') return (await defaultsOf(classes)).sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
  const found = classes.peek('', name) ?? (await classes.get('', name).catch(absent));
  if (found === undefined)
    throw forbidden(groupResource(request.resource.info), request.name, `no PriorityClass with name ${name} was found`);
  return found.object;
}

async function defaultsOf(classes: ResourceStorage<PriorityClass>): Promise<PriorityClass[]> {
  const { items } = await classes.list({ resourceVersion: '0', predicate: c => c.globalDefault === true });
  return items.map(item => item.object);
}
