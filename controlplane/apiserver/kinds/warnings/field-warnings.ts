/**
 * Warnings about single fields: what a pod, a pod template or a Service asks for and does not get in this version.
 */
import type { AnyObject } from '../../../../machinery/client/resource.ts';
import { unsupportedPodFields } from '../../../../machinery/meta/unsupported-pod-fields.ts';
import type { PodSpec, PodTemplateSpec, ServiceSpec } from '../../../../proto/api/core-v1.ts';
import { podNameWarnings, podSpecWarnings } from './pod-spec-warnings.ts';

/** @returns one sentence a field; none for kinds without pods or ports */
export function fieldWarnings(group: string, kind: string, object: AnyObject): string[] {
  const { spec } = object as { spec?: unknown };
  if (spec === undefined) return [];
  if (group === '' && kind === 'Pod')
    return [...podNameWarnings(object.metadata.name ?? ''), ...podWarnings(spec as PodSpec, 'spec')];
  if (group === '' && kind === 'Service') return serviceWarnings(spec as ServiceSpec);
  if (group === 'apps' || kind === 'ReplicationController') {
    const template = (spec as { template?: PodTemplateSpec | undefined }).template?.spec;
    return template === undefined ? [] : podWarnings(template, 'spec.template.spec');
  }
  return [];
}

function podWarnings(spec: PodSpec, root: string): string[] {
  const unsupported = unsupportedPodFields(spec, root).map(({ path, reason, effect }) => {
    const consequence = effect === 'notEnforced' ? '' : '; the pod will wait';
    return `${path}: ${reason}${consequence}`;
  });
  return [...unsupported, ...podSpecWarnings(spec, root)];
}

function serviceWarnings(spec: ServiceSpec): string[] {
  if (spec.type !== 'LoadBalancer') return [];
  const why = 'no load balancer is made by k8ts; the service answers on its cluster address and node ports';
  return [`spec.type: ${why}`];
}
