/**
 * What clients are told who still use an API version or kind that something else has replaced.
 * Source: apiserver `pkg/endpoints/deprecation`; KEP-4974 for Endpoints.
 */
import type { RequestInfo } from '../server/request-info.ts';

/** By `group/version/resource`. */
const DEPRECATIONS: ReadonlyMap<string, string> = new Map([
  ['/v1/componentstatuses', 'v1 ComponentStatus is deprecated in v1.19+'],
  ['/v1/endpoints', 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'],
  ['batch/v1beta1/cronjobs', beta('batch', 'CronJob')],
  ['discovery.k8s.io/v1beta1/endpointslices', beta('discovery.k8s.io', 'EndpointSlice')],
  ['policy/v1beta1/poddisruptionbudgets', beta('policy', 'PodDisruptionBudget')],
]);

function beta(group: string, kind: string): string {
  return `${group}/v1beta1 ${kind} is deprecated in v1.21+, unavailable in v1.25+; use ${group}/v1 ${kind}`;
}

/** The warning that goes with a request; undefined for most. */
export function deprecation({ group, version, resource }: RequestInfo): string | undefined {
  return DEPRECATIONS.get(`${group}/${version}/${resource}`);
}
