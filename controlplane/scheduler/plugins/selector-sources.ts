/** What selects a pod, looked up in the informers of services and of the controllers that upstream knows. */
import type { InformerFactory } from '../../../machinery/client/informer.ts';
import {
  apiVersionOf,
  replicaSets,
  replicationControllers,
  services,
  statefulSets,
} from '../../../machinery/client/resource.ts';
import type { Service } from '../../../proto/api/core-v1.ts';
import type { SelectorSources } from '../plan/default-selector.ts';

/** Services by a label that they ask for, so that a pod is not held against every service of its namespace. */
const BY_LABEL = 'scheduler/selector-label';

export function selectorSources(informers: InformerFactory): SelectorSources {
  const serviceInformer = informers.informer(services);
  serviceInformer.addIndex(BY_LABEL, labelWanted);
  const [rcs, rss, sts] = [
    informers.informer(replicationControllers).lister,
    informers.informer(replicaSets).lister,
    informers.informer(statefulSets).lister,
  ];
  return {
    *serviceSelectors({ metadata: { namespace = '', labels = {} } }) {
      for (const [key, value] of Object.entries(labels)) {
        for (const { spec } of serviceInformer.lister.byIndex(BY_LABEL, `${namespace}/${key}=${value}`)) {
          const selector = spec?.selector ?? {};
          if (Object.entries(selector).every(([k, v]) => labels[k] === v)) yield selector;
        }
      }
    },
    controllerSelector(namespace, apiVersion, kind, name) {
      switch (`${apiVersion} ${kind}`) {
        case `${apiVersionOf(replicationControllers)} ReplicationController`: {
          const selector = rcs.get(namespace, name)?.spec?.selector;
          return selector === undefined ? undefined : { matchLabels: selector };
        }
        case `${apiVersionOf(replicaSets)} ReplicaSet`:
          return rss.get(namespace, name)?.spec?.selector;
        case `${apiVersionOf(statefulSets)} StatefulSet`:
          return sts.get(namespace, name)?.spec?.selector;
        default:
          return undefined;
      }
    },
  };
}

function labelWanted({ metadata, spec }: Service): readonly string[] {
  const [first] = Object.entries(spec?.selector ?? {});
  return first === undefined ? [] : [`${metadata.namespace ?? ''}/${first[0]}=${first[1]}`];
}
