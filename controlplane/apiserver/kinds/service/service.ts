/** Services. Source: Kubernetes `pkg/registry/core/service` and `pkg/printers`, 1.36. */
import { dns1035Label } from '../../../../machinery/meta/names.ts';
import type { Service, ServicePort } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, formatLabels, listOrNone, nameColumn, wide } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { defaultService, dropStale, keepAllocated, normalizeClusterIPs } from './default-service.ts';
import { validateService, validateServiceStatus, validateServiceUpdate } from './validate-service.ts';

export const serviceStrategy: Strategy<Service> = {
  info: kindInfo('', 'Service'),
  tracksGeneration: false,
  columns: [
    nameColumn,
    column('Type', 'How the service is reached.', service => service.spec.type ?? ''),
    column(
      'Cluster-IP',
      'Address inside the cluster.',
      service => service.spec.clusterIPs?.[0] || service.spec.clusterIP || '<none>',
    ),
    column('External-IP', 'Address for the outside.', externalAddress),
    column('Port(s)', 'Ports, with the port on every node where there is one.', service =>
      listOrNone(service.spec.ports?.map(portText)),
    ),
    ageColumn,
    wide('Selector', 'Labels of the pods behind the service.', service => formatLabels(service.spec.selector)),
  ],
  allowUnconditionalUpdate: true,
  validateName: dns1035Label,
  selectableFields: service => ({
    'spec.clusterIP': service.spec.clusterIP ?? '',
    'spec.type': service.spec.type ?? '',
  }),
  default: defaultService,
  prepareForCreate(service) {
    service.status = { loadBalancer: {} };
    normalizeClusterIPs(service.spec, undefined);
  },
  prepareForUpdate(service, older) {
    service.status = older.status;
    normalizeClusterIPs(service.spec, older.spec);
    keepAllocated(service.spec, older.spec);
    dropStale(service.spec, older.spec);
  },
  validate: validateService,
  validateUpdate: validateServiceUpdate,
  status: { prepareForUpdate: keepSpec, validateUpdate: validateServiceStatus },
};

function portText({ port, nodePort, protocol }: ServicePort): string {
  return nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`;
}

function externalAddress({ spec, status }: Service): string {
  const given = spec.externalIPs ?? [];
  switch (spec.type) {
    case 'ExternalName':
      return spec.externalName ?? '';
    case 'LoadBalancer': {
      const balancers = (status?.loadBalancer?.ingress ?? [])
        .map(ingress => ingress.ip || ingress.hostname || '')
        .filter(ip => ip !== '');
      const all = [...new Set(balancers)].sort().concat(given);
      return all.length > 0 ? all.join(',') : '<pending>';
    }
    default:
      return listOrNone(given);
  }
}
