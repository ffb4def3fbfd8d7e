/**
 * Makes what every cluster has: namespaces, roles and bindings, priority classes, the API's own service. Idempotent: what is there stays,
 * and default roles and bindings get back what they lost (unless their autoupdate annotation says no).
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { Transport } from '../../../machinery/client/transport.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { isAlreadyExists, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Subject } from '../../../proto/api/rbac-v1.ts';
import { mandatoryFlowSchemas, suggestedFlowSchemas } from '../kinds/flowcontrol/suggested-flow-schemas.ts';
import { mandatoryPriorityLevels, suggestedPriorityLevels } from '../kinds/flowcontrol/suggested-priority-levels.ts';
import { uncoveredRules } from '../authz/rule-match.ts';
import { defaultClusterRoleBindings, defaultRoleBindings, defaultRoles } from './bindings.ts';
import { defaultClusterRoles } from './cluster-roles.ts';
import { controllerRoleBindings, controllerRoles } from './controller-roles.ts';
import {
  clusterInfo,
  extensionAuthentication,
  namespaceObject,
  priorityClasses,
  SYSTEM_NAMESPACES,
} from './default-objects.ts';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const FLOW = '/apis/flowcontrol.apiserver.k8s.io/v1';
const FLOW_AUTOUPDATE = 'apf.kubernetes.io/autoupdate-spec';
const AUTOUPDATE = 'rbac.authorization.kubernetes.io/autoupdate';

export interface BootstrapOptions {
  readonly transport: Transport;
  readonly clientCA: string;
  /** What a node that joins is told; no cluster-info without it. */
  readonly clusterInfo?: { readonly server: string; readonly caPem: string } | undefined;
}

export async function bootstrap({ transport, clientCA, clusterInfo: info }: BootstrapOptions): Promise<void> {
  await Promise.all(SYSTEM_NAMESPACES.map(name => ensure(transport, '/api/v1/namespaces', namespaceObject(name))));
  const all: Promise<void>[] = [];
  all.push(
    ensureAll(transport, `${RBAC}/clusterroles`, [...defaultClusterRoles(), ...controllerRoles()], roleWithMissing),
  );
  all.push(
    ensureAll(
      transport,
      `${RBAC}/clusterrolebindings`,
      [...defaultClusterRoleBindings(), ...controllerRoleBindings()],
      bindingWithMissing,
    ),
  );
  for (const role of defaultRoles())
    all.push(ensure(transport, `${RBAC}/namespaces/${role.metadata.namespace}/roles`, role, roleWithMissing));
  for (const binding of defaultRoleBindings()) {
    all.push(
      ensure(transport, `${RBAC}/namespaces/${binding.metadata.namespace}/rolebindings`, binding, bindingWithMissing),
    );
  }
  for (const priorityClass of priorityClasses())
    all.push(ensure(transport, '/apis/scheduling.k8s.io/v1/priorityclasses', priorityClass));
  all.push(
    ensureAll(
      transport,
      `${FLOW}/prioritylevelconfigurations`,
      [...mandatoryPriorityLevels, ...suggestedPriorityLevels],
      withSpec,
    ),
    ensureAll(transport, `${FLOW}/flowschemas`, [...mandatoryFlowSchemas, ...suggestedFlowSchemas], withSpec),
  );
  all.push(ensure(transport, '/api/v1/namespaces/kube-system/configmaps', extensionAuthentication(clientCA), withData));
  if (info !== undefined)
    all.push(
      ensure(transport, '/api/v1/namespaces/kube-public/configmaps', clusterInfo(info.server, info.caPem), withData),
    );
  await Promise.all(all);
}

/** The object as it should be; undefined when `current` is good as it is. */
type Repair = (current: AnyObject, wanted: AnyObject) => AnyObject | undefined;

/** Like `ensure()` for many of one collection: one list tells what is there. */
async function ensureAll(
  transport: Transport,
  path: string,
  wanted: readonly AnyObject[],
  repair: Repair,
): Promise<void> {
  const list = (await transport.call({ method: 'GET', path })) as { items: AnyObject[] };
  const current = new Map(list.items.map(item => [item.metadata.name, item]));
  await Promise.all(
    wanted.map(object => {
      const found = current.get(object.metadata.name);
      return found === undefined
        ? ensure(transport, path, object, repair)
        : repairOne(transport, path, found, object, repair);
    }),
  );
}

async function ensure(transport: Transport, path: string, wanted: AnyObject, repair?: Repair): Promise<void> {
  const name = wanted.metadata.name ?? '';
  try {
    const current = (await transport.call({ method: 'GET', path: `${path}/${name}` })) as AnyObject;
    if (repair !== undefined) await repairOne(transport, path, current, wanted, repair);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await transport.call({ method: 'POST', path, body: wanted }).catch((failure: unknown) => {
      // Another control node was faster.
      if (!isAlreadyExists(failure)) throw failure;
    });
  }
}

async function repairOne(
  transport: Transport,
  path: string,
  current: AnyObject,
  wanted: AnyObject,
  repair: Repair,
): Promise<void> {
  const next = repair(current, wanted);
  if (next !== undefined)
    await transport.call({ method: 'PUT', path: `${path}/${wanted.metadata.name ?? ''}`, body: next });
}

function isKept(current: AnyObject): boolean {
  return current.metadata.annotations?.[AUTOUPDATE] === 'false';
}

function roleWithMissing(current: AnyObject, wanted: AnyObject): AnyObject | undefined {
  const rules: readonly PolicyRule[] = (current as ClusterRole).rules ?? [];
  const missing = uncoveredRules(rules, (wanted as ClusterRole).rules ?? []);
  return missing.length === 0 || isKept(current)
    ? undefined
    : ({ ...current, rules: [...rules, ...missing] } as AnyObject);
}

function bindingWithMissing(current: AnyObject, wanted: AnyObject): AnyObject | undefined {
  const subjects: readonly Subject[] = (current as ClusterRoleBinding).subjects ?? [];
  const missing = ((wanted as ClusterRoleBinding).subjects ?? []).filter(
    subject => !subjects.some(s => jsonEquals(s, subject)),
  );
  return missing.length === 0 || isKept(current)
    ? undefined
    : ({ ...current, subjects: [...subjects, ...missing] } as AnyObject);
}

/** What the server keeps as it should be gets its spec back; what somebody has taken over is theirs. */
function withSpec(current: AnyObject, wanted: AnyObject): AnyObject | undefined {
  const [have, want] = [current as { spec?: unknown }, wanted as { spec?: unknown }];
  const isKeptByUs = current.metadata.annotations?.[FLOW_AUTOUPDATE] === 'true';
  return !isKeptByUs || jsonEquals(have.spec, want.spec) ? undefined : ({ ...current, spec: want.spec } as AnyObject);
}

function withData(current: AnyObject, wanted: AnyObject): AnyObject | undefined {
  const have = (current as { data?: Record<string, string> }).data ?? {};
  const want = (wanted as { data?: Record<string, string> }).data ?? {};
  const same = Object.entries(want).every(([key, value]) => have[key] === value);
  return same ? undefined : ({ ...current, data: { ...have, ...want } } as AnyObject);
}
