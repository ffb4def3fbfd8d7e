/** Ingresses. Source: Kubernetes `pkg/apis/networking` and `pkg/printers`, 1.36. */
import { invalidError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1035Label, dns1123Subdomain, wildcardSubdomain } from '../../../../machinery/meta/names.ts';
import { ipAddress, ipFamilyOf, portName, portNumber } from '../../../../machinery/meta/value-shapes.ts';
import type { HTTPIngressPath, Ingress, IngressBackend } from '../../../../proto/api/networking-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { pathSegmentName } from '../rbac/path-segment-name.ts';
import {
  checkEnum,
  checkOptional,
  checkRequired,
  checkShape,
  isBlank,
} from '../../../../machinery/validation/checks.ts';
import { keepSpec } from '../validation/spec-kept.ts';

const SPEC = FieldPath.of('spec');
const BAD_SEQUENCES = ['//', '/./', '/../', '%2f', '%2F'];
const BAD_SUFFIXES = ['/..', '/.'];
const MAX_HOSTS = 3;
const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';

export const ingressStrategy: Strategy<Ingress> = {
  info: kindInfo('networking.k8s.io', 'Ingress'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column(
      'Class',
      'IngressClass that is responsible.',
      ingress => ingress.spec.ingressClassName || ingress.metadata.annotations?.[CLASS_ANNOTATION] || '<none>',
    ),
    column('Hosts', 'Host names.', hostsText),
    column('Address', 'Where the ingress is reached.', ingress =>
      (ingress.status?.loadBalancer?.ingress ?? [])
        .map(entry => entry.ip || entry.hostname || '')
        .filter(text => text !== '')
        .join(','),
    ),
    column('Ports', 'Ports.', ingress => ((ingress.spec.tls ?? []).length > 0 ? '80, 443' : '80')),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
  prepareForCreate(ingress) {
    ingress.status = { loadBalancer: {} };
  },
  prepareForUpdate(ingress, older) {
    if (older.status === undefined) delete ingress.status;
    else ingress.status = older.status;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    const rules = spec.rules ?? [];
    if (rules.length === 0 && spec.defaultBackend === undefined) {
      errors.push(invalidError(SPEC, rules, 'either `defaultBackend` or `rules` must be specified'));
    }
    if (spec.defaultBackend !== undefined) checkBackend(errors, SPEC.child('defaultBackend'), spec.defaultBackend);
    for (const [i, rule] of rules.entries()) {
      const at = SPEC.child('rules').index(i);
      if (!isBlank(rule.host)) {
        if (ipFamilyOf(rule.host) !== undefined)
          errors.push(invalidError(at.child('host'), rule.host, 'must be a DNS name, not an IP address'));
        checkShape(errors, at.child('host'), rule.host, rule.host.includes('*') ? wildcardSubdomain : dns1123Subdomain);
      }
      if (rule.http === undefined) continue;
      const paths = rule.http.paths ?? [];
      if (paths.length === 0) errors.push(requiredError(at.child('http', 'paths')));
      for (const [j, path] of paths.entries()) checkPath(errors, at.child('http', 'paths').index(j), path);
    }
    for (const [i, tls] of (spec.tls ?? []).entries()) {
      for (const [j, host] of (tls.hosts ?? []).entries()) {
        checkShape(
          errors,
          SPEC.child('tls').index(i).child('hosts').index(j),
          host,
          host.includes('*') ? wildcardSubdomain : dns1123Subdomain,
        );
      }
      checkOptional(errors, SPEC.child('tls').index(i).child('secretName'), tls.secretName, dns1123Subdomain);
    }
    if (spec.ingressClassName !== undefined)
      checkShape(errors, SPEC.child('ingressClassName'), spec.ingressClassName, dns1123Subdomain);
    return errors;
  },
  validateCreate({ metadata, spec }) {
    const annotation = metadata.annotations?.[CLASS_ANNOTATION];
    if (annotation === undefined || spec.ingressClassName === undefined || annotation === spec.ingressClassName)
      return [];
    // Upstream's path.
    const at = FieldPath.of('annotations', CLASS_ANNOTATION);
    return [invalidError(at, annotation, 'must match `ingressClassName` when both are specified')];
  },
  warnings({ metadata }, older) {
    if (older !== undefined || metadata.annotations?.[CLASS_ANNOTATION] === undefined) return [];
    return [`annotation "${CLASS_ANNOTATION}" is deprecated, please use 'spec.ingressClassName' instead`];
  },
  status: { prepareForUpdate: keepSpec, validateUpdate: statusErrors },
};

function statusErrors({ status }: Ingress): FieldError[] {
  const errors: FieldError[] = [];
  for (const [i, { ip, hostname }] of (status?.loadBalancer?.ingress ?? []).entries()) {
    const at = FieldPath.of('status', 'loadBalancer', 'ingress').index(i);
    checkOptional(errors, at.child('ip'), ip, ipAddress);
    checkOptional(errors, at.child('hostname'), hostname, dns1123Subdomain);
    if (!isBlank(hostname) && ipFamilyOf(hostname) !== undefined)
      errors.push(invalidError(at.child('hostname'), hostname, 'must be a DNS name, not an IP address'));
  }
  return errors;
}

function checkPath(errors: FieldError[], path: FieldPath, entry: HTTPIngressPath): void {
  if (entry.pathType === undefined) {
    errors.push(requiredError(path.child('pathType'), 'pathType must be specified'));
    return;
  }
  checkEnum(
    errors,
    path.child('pathType'),
    entry.pathType,
    ['Exact', 'ImplementationSpecific', 'Prefix'],
    'unsupported',
  );
  const text = entry.path ?? '';
  const at = path.child('path');
  if (
    entry.pathType === 'Exact' ||
    entry.pathType === 'Prefix' ||
    (entry.pathType === 'ImplementationSpecific' && text !== '')
  ) {
    if (!text.startsWith('/')) errors.push(invalidError(at, text, 'must be an absolute path'));
    if (entry.pathType !== 'ImplementationSpecific') {
      for (const sequence of BAD_SEQUENCES)
        if (text.includes(sequence)) errors.push(invalidError(at, text, `must not contain '${sequence}'`));
      for (const suffix of BAD_SUFFIXES)
        if (text.endsWith(suffix)) errors.push(invalidError(at, text, `cannot end with '${suffix}'`));
    }
  }
  checkBackend(errors, path.child('backend'), entry.backend ?? {});
}

function checkBackend(errors: FieldError[], path: FieldPath, backend: IngressBackend): void {
  const { service, resource } = backend;
  if (service !== undefined && resource !== undefined) {
    errors.push(invalidError(path, '', 'cannot set both resource and service backends'));
  } else if (resource !== undefined) {
    const at = path.child('resource');
    if (resource.apiGroup !== undefined) checkShape(errors, at.child('apiGroup'), resource.apiGroup, dns1123Subdomain);
    for (const field of ['kind', 'name'] as const)
      checkRequired(errors, at.child(field), resource[field], pathSegmentName);
  } else if (service === undefined) errors.push(invalidError(path, '', 'resource or service backend is required'));
  else {
    const at = path.child('service');
    if (isBlank(service.name)) errors.push(requiredError(at.child('name')));
    else checkShape(errors, at.child('name'), service.name, dns1035Label);
    const { name, number } = service.port ?? {};
    if (!isBlank(name) && number) errors.push(invalidError(path, '', 'cannot set both port name & port number'));
    else if (!isBlank(name)) checkShape(errors, at.child('port', 'name'), name, portName);
    else if (number) checkShape(errors, at.child('port', 'number'), number, portNumber);
    else errors.push(requiredError(path, 'port name or number is required'));
  }
}

function hostsText(ingress: Ingress): string {
  const hosts = [...new Set((ingress.spec.rules ?? []).map(rule => rule.host ?? '').filter(host => host !== ''))];
  if (hosts.length === 0) return '*';
  const shown = hosts.slice(0, MAX_HOSTS).join(',');
  return hosts.length > MAX_HOSTS ? `${shown} + ${hosts.length - MAX_HOSTS} more...` : shown;
}
