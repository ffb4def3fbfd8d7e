/**
 * The EndpointSlices that a service should have, changing as few of those it has as possible. Pure.
 * Source: upstream `staging/src/k8s.io/endpointslice`; slices hold at most 100 endpoints that share their ports.
 */
import type { Pod, Service } from '../../../../proto/api/core-v1.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../../../proto/api/discovery-v1.ts';
import { HEADLESS_LABEL, SERVICE_NAME_LABEL } from '../../../../machinery/meta/endpoint-slices.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { templateHash } from '../../../../machinery/meta/name-hash.ts';
import { controllerRef, isControlledBy } from '../../../../machinery/meta/object.ts';
import { withTriggerTime } from '../../runtime/plan/trigger-time.ts';
import {
  addressOf,
  addressTypesOf,
  isHeadless,
  resolvePorts,
  type AddressType,
} from '../../runtime/plan/service-endpoints.ts';
import { endpointOf } from './endpoint.ts';
import { hintModeOf } from './hint-mode.ts';
import { assignZoneHints, type HintedSlice, type HintsOutcome, type ZoneRatios } from './zone-hints.ts';

export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
export const MANAGER = 'endpointslice-controller.k8s.io';
const MAX_ENDPOINTS = 100;

export interface SliceInput {
  readonly service: Service;
  readonly pods: readonly Pod[];
  /** Those that this controller made for a service of that name. */
  readonly slices: readonly EndpointSlice[];
  /** The zone of a node, if known. */
  readonly zoneOf: (node: string) => string | undefined;
  /** What zones have of all processors, if known. */
  readonly ratios?: ZoneRatios | undefined;
  /** When what is being answered to happened; undefined if nothing did. */
  readonly triggeredAtMs?: number | undefined;
}

export interface SlicePlan {
  create: EndpointSlice[];
  update: EndpointSlice[];
  delete: EndpointSlice[];
  /** What became of hints by zone, by family; of services that ask for them. */
  hints: Map<AddressType, HintsOutcome>;
}

interface Group {
  readonly type: AddressType;
  readonly ports: EndpointPort[];
  readonly endpoints: Endpoint[];
}

/** A slice as it shall be. */
interface Draft extends HintedSlice {
  /** As it stands; undefined: it has to be made. */
  old: EndpointSlice | undefined;
  readonly group: Group;
}

export function planSlices(input: SliceInput): SlicePlan {
  const { service, slices } = input;
  const plan: SlicePlan = { create: [], update: [], delete: [], hints: new Map() };
  // A service of the same name that is gone left some: they go with it.
  const isOwn = (slice: EndpointSlice): boolean => isControlledBy(slice, service);
  const standing = slices.filter(slice => slice.metadata.deletionTimestamp === undefined);
  const left = new Set(standing);
  const names = new Set(slices.map(slice => slice.metadata.name ?? ''));
  for (const type of addressTypesOf(service)) {
    const ofType = standing.filter(slice => slice.addressType === type && isOwn(slice));
    const drafts = groupsOf(input, type).flatMap(group => {
      const key = portsKey(group.ports);
      const mine = ofType.filter(slice => portsKey(slice.ports) === key);
      return fill(group, mine);
    });
    if (hintModeOf(service) === 'auto') {
      keepHints(drafts);
      plan.hints.set(type, assignZoneHints(drafts, input.ratios));
    }
    const kept = new Set(drafts.map(({ old }) => old));
    const spare = ofType.filter(slice => !kept.has(slice));
    for (const draft of drafts) {
      // One that would go takes what would need a new one: a write less, and nothing is ever nowhere.
      draft.old ??= spare.shift();
      if (draft.old === undefined) plan.create.push(newSlice(input, draft, names));
      else {
        left.delete(draft.old);
        const next = updated(input, draft, draft.old);
        if (next !== undefined) plan.update.push(next);
      }
    }
  }
  plan.delete.push(...left);
  return plan;
}

function groupsOf({ service, pods, zoneOf }: SliceInput, type: AddressType): Group[] {
  const groups = new Map<string, Group>();
  const mode = hintModeOf(service);
  for (const pod of pods) {
    const address = addressOf(pod, type);
    const ports: EndpointPort[] = resolvePorts(service, pod).map(port => ({ ...port }));
    // A pod that has none of the ports can serve nothing, unless the service is headless and asks for none.
    if (address === undefined || (ports.length === 0 && (service.spec?.ports ?? []).length > 0)) continue;
    const key = portsKey(ports);
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = { type, ports, endpoints: [] }));
    group.endpoints.push(endpointOf(service, pod, address, zoneOf, mode));
  }
  // A service without endpoints has one empty slice, so that everyone sees that it was looked at.
  return groups.size === 0 ? [{ type, ports: [], endpoints: [] }] : [...groups.values()];
}

/** Puts the group's endpoints into its slices: those that are there stay where they are, new ones fill gaps, then new slices. */
function fill(group: Group, slices: readonly EndpointSlice[]): Draft[] {
  const wanted = new Map(group.endpoints.map(endpoint => [endpointKey(endpoint), endpoint]));
  const standing = slices.map(slice => {
    const endpoints: Endpoint[] = [];
    for (const old of slice.endpoints ?? []) {
      const key = endpointKey(old);
      const next = wanted.get(key);
      if (next === undefined) continue;
      wanted.delete(key);
      endpoints.push(next);
    }
    return { old: slice, group, endpoints, isKept: false };
  });
  const fresh = [...wanted.values()];
  // The fullest first: few slices, and few of them touched.
  for (const target of [...standing].sort((a, b) => b.endpoints.length - a.endpoints.length)) {
    target.endpoints.push(...fresh.splice(0, Math.max(0, MAX_ENDPOINTS - target.endpoints.length)));
  }
  const drafts: Draft[] = standing.filter(({ endpoints }) => endpoints.length > 0);
  while (fresh.length > 0)
    drafts.push({ old: undefined, group, endpoints: fresh.splice(0, MAX_ENDPOINTS), isKept: false });
  return drafts.length > 0 ? drafts : [{ old: slices[0], group, endpoints: [], isKept: false }];
}

/** Slices whose endpoints are as they were keep the hints that they have, as long as these fit. */
function keepHints(drafts: readonly Draft[]): void {
  for (const draft of drafts) {
    const before = draft.old?.endpoints ?? [];
    draft.isKept = draft.old !== undefined && jsonEquals(before.map(withoutHints), draft.endpoints.map(withoutHints));
    if (draft.isKept) draft.endpoints = [...before];
  }
}

/** Undefined if the slice is as it should be. */
function updated(input: SliceInput, { group, endpoints }: Draft, old: EndpointSlice): EndpointSlice | undefined {
  const labels = labelsOf(input.service);
  const isSame =
    jsonEquals(old.endpoints ?? [], endpoints) &&
    jsonEquals(old.metadata.labels, labels) &&
    portsKey(old.ports) === portsKey(group.ports);
  if (isSame) return undefined;
  const metadata = withTriggerTime({ ...old.metadata, labels }, input.triggeredAtMs);
  return { ...old, metadata, endpoints, ports: group.ports };
}

/** Names follow from what the slice is for: a second run on old knowledge meets the first one's slice, and does not make another. */
function newSlice(input: SliceInput, { group, endpoints }: Draft, names: Set<string>): EndpointSlice {
  const { service } = input;
  const prefix = (service.metadata.name ?? '').slice(0, 240);
  let name: string;
  let ordinal = 0;
  do name = `${prefix}-${templateHash([service.metadata.uid, group.type, group.ports, ordinal++]).slice(0, 10)}`;
  while (names.has(name));
  names.add(name);
  const metadata = {
    name,
    namespace: service.metadata.namespace,
    labels: labelsOf(service),
    ownerReferences: [controllerRef(service, { group: '', version: 'v1', kind: 'Service' })],
  };
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: withTriggerTime(metadata, input.triggeredAtMs),
    addressType: group.type,
    endpoints,
    ports: group.ports,
  };
}

function labelsOf(service: Service): Record<string, string> {
  const own: Record<string, string> = { [SERVICE_NAME_LABEL]: service.metadata.name ?? '', [MANAGED_BY]: MANAGER };
  if (isHeadless(service)) own[HEADLESS_LABEL] = '';
  return { ...service.metadata.labels, ...own };
}

function endpointKey(endpoint: Endpoint): string {
  return `${endpoint.targetRef?.uid ?? ''} ${endpoint.addresses[0] ?? ''}`;
}

function withoutHints({ hints: _, ...endpoint }: Endpoint): Endpoint {
  return endpoint;
}

function portsKey(ports: readonly EndpointPort[] | undefined): string {
  return (ports ?? [])
    .map(({ name = '', protocol = 'TCP', port, appProtocol = '' }) => `${name} ${protocol} ${port} ${appProtocol}`)
    .sort()
    .join();
}
