/**
 * ComponentStatus: what the API server knows of the parts that it depends on. Deprecated upstream, and still what `kubectl get cs` asks for.
 * Source: kubernetes `pkg/registry/core/componentstatus`. Differs: of scheduler and controllers those are told of that run in this process.
 */
import type { ComponentStatus } from '../../../proto/api/core-v1.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { notFound } from '../../../machinery/meta/status-error.ts';
import { column } from '../kinds/columns/column.ts';
import type { VirtualResource } from '../registry/resource-set.ts';
import type { Shown } from '../registry/served-resource.ts';
import type { Column } from '../registry/strategy.ts';
import { unstored } from '../registry/unstored.ts';
import { representList, representObject } from '../rest/represent.ts';
import type { Storage } from '../storage/storage.ts';

const INFO = {
  group: '',
  version: 'v1',
  kind: 'ComponentStatus',
  resource: 'componentstatuses',
  singular: 'componentstatus',
  namespaced: false,
  shortNames: ['cs'],
  categories: [],
  typePackage: 'api/core/v1',
} as const;
const STORE = 'etcd-0';

const ofHealth = (
  name: string,
  description: string,
  pick: (status: ComponentStatus) => string,
): Column<ComponentStatus> => column(name, description, pick);
const COLUMNS = [
  ofHealth('Status', 'Whether it is well.', status =>
    status.conditions?.[0]?.status === 'True' ? 'Healthy' : 'Unhealthy',
  ),
  ofHealth('Message', 'What it says of itself.', status => status.conditions?.[0]?.message ?? ''),
  ofHealth('Error', 'What went wrong.', status => status.conditions?.[0]?.error ?? ''),
] as unknown as Shown['strategy']['columns'];
const SHOWN: Shown = { info: INFO, strategy: { info: INFO, tracksGeneration: false, columns: COLUMNS } };

/** Throws when it is not well. */
export type ComponentCheck = () => void | Promise<void>;

/** @param parts what runs beside the server, by upstream's names (`scheduler`, `controller-manager`) */
export function componentStatuses(storage: Storage, parts: ReadonlyMap<string, ComponentCheck>): VirtualResource {
  const statusOf = async (name: string, check: ComponentCheck): Promise<ComponentStatus> => {
    const why = await Promise.resolve()
      .then(check)
      .then(() => undefined, errorText);
    const condition =
      why === undefined
        ? { type: 'Healthy', status: 'True', message: 'ok' }
        : { type: 'Healthy', status: 'False', message: why, error: why };
    return { kind: INFO.kind, apiVersion: 'v1', metadata: { name }, conditions: [condition] };
  };
  const checks = (): Map<string, ComponentCheck> => new Map([...parts, [STORE, () => storage.checkHealth()]]);
  return {
    info: INFO,
    verbs: ['get', 'list'],
    hasObjects: true,
    async handle(exchange) {
      const { verb, name } = exchange.info;
      if (verb === 'list') {
        const items = await Promise.all([...checks()].map(async entry => unstored(await statusOf(...entry))));
        return representList(exchange, SHOWN, { items, resourceVersion: '' });
      }
      const check = checks().get(name);
      if (check === undefined) throw notFound({ group: '', resource: INFO.resource }, name);
      return representObject(exchange, SHOWN, unstored(await statusOf(name, check)), 200);
    },
  };
}
