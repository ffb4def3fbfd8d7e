/** Which services the proxy has to do with. */
import type { Service } from '../../../proto/api/core-v1.ts';

/** Names the proxy that a service is left to. */
export const OTHER_PROXY_LABEL = 'service.kubernetes.io/service-proxy-name';

/** Whether rules are made for the service at all. */
export function isProxied(service: Service): boolean {
  const { clusterIP, type } = service.spec;
  if (type === 'ExternalName' || clusterIP === undefined || clusterIP === '' || clusterIP === 'None') return false;
  return service.metadata.labels?.[OTHER_PROXY_LABEL] === undefined;
}
