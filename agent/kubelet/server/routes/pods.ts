/** `/pods`: what is to run here; `/runningpods/`: what the runtime has running. */
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { sendJson } from '../exchange.ts';
import type { PodAccess } from '../pod-access.ts';
import { getRoute, type Route } from '../route.ts';

const list = (items: readonly unknown[]): object => ({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items });

export function podsRoute(access: PodAccess): Route {
  return getRoute('pods', ({ response }) => sendJson(response, list(access.pods().map(withoutType))));
}

export function runningPodsRoute(access: PodAccess): Route {
  return getRoute('runningpods', ({ response }) => {
    const items = access.runningPods().map(({ name, namespace, uid, containers }) => ({
      metadata: { name, namespace, uid },
      spec: {
        containers: containers
          .filter(({ state }) => state === 'running')
          .map(container => ({ name: container.name, image: container.image, resources: {} })),
      },
      status: {},
    }));
    sendJson(response, list(items));
  });
}

/** Items of a list carry none. */
function withoutType({ apiVersion: _, kind: __, ...pod }: Pod): Omit<Pod, 'apiVersion' | 'kind'> {
  return pod;
}
