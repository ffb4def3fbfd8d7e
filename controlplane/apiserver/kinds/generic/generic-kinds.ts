/**
 * Kinds whose rules the schema alone gives; only their columns and a few defaults are written down.
 * Source: Kubernetes `pkg/printers/internalversion` and the kinds' `defaults.go`, 1.36.
 */
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingWebhookConfiguration,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
} from '../../../../proto/api/admissionregistration-v1.ts';
import type { FlowSchema, PriorityLevelConfiguration } from '../../../../proto/api/flowcontrol-v1.ts';
import type { IPAddress, ServiceCIDR } from '../../../../proto/api/networking-v1.ts';
import type { ResourceClaim, ResourceSlice } from '../../../../proto/api/resource-v1.ts';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../../../../proto/api/storage-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, listOrNone, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { genericStrategy } from './generic-strategy.ts';
import { defaultWebhook } from './webhook-defaults.ts';

const ADMISSION = 'admissionregistration.k8s.io';
const FLOW = 'flowcontrol.apiserver.k8s.io';
const RESOURCE = 'resource.k8s.io';
const STORAGE = 'storage.k8s.io';
const NETWORKING = 'networking.k8s.io';

const webhooks = <T extends MutatingWebhookConfiguration | ValidatingWebhookConfiguration>(kind: string): Strategy<T> =>
  genericStrategy<T>(kindInfo(ADMISSION, kind), {
    tracksGeneration: true,
    columns: [
      nameColumn,
      column('Webhooks', 'Number of webhooks.', object => object.webhooks?.length ?? 0, 'integer'),
      ageColumn,
    ],
    default(object) {
      for (const webhook of object.webhooks ?? []) defaultWebhook(webhook, kind === 'MutatingWebhookConfiguration');
    },
  });

const paramKind = (object: ValidatingAdmissionPolicy | MutatingAdmissionPolicy): string => {
  const { apiVersion, kind } = object.spec?.paramKind ?? {};
  return kind === undefined ? '<unset>' : `${apiVersion ?? ''}/${kind}`;
};

const policies = <T extends ValidatingAdmissionPolicy | MutatingAdmissionPolicy>(
  kind: string,
  countName: string,
  count: (object: T) => number,
): Strategy<T> =>
  genericStrategy<T>(kindInfo(ADMISSION, kind), {
    columns: [
      nameColumn,
      column(countName, 'Number of expressions.', count, 'integer'),
      column('ParamKind', 'Kind of the parameters.', paramKind),
      ageColumn,
    ],
    default(object) {
      object.spec.failurePolicy ??= 'Fail';
      const constraints = object.spec.matchConstraints;
      if (constraints !== undefined) defaultMatch(constraints);
    },
  });

const bindings = <T extends ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding>(
  kind: string,
): Strategy<T> =>
  genericStrategy<T>(kindInfo(ADMISSION, kind), {
    columns: [
      nameColumn,
      column('PolicyName', 'Policy that is put to use.', object => object.spec?.policyName ?? ''),
      column('ParamRef', 'Parameters.', ({ spec }) => {
        if (spec?.paramRef === undefined) return '<unset>';
        const { namespace, name, selector } = spec.paramRef;
        return name !== undefined && name !== ''
          ? `${namespace || '*'}/${name}`
          : selector === undefined
            ? '<unset>'
            : `${namespace || '*'}/*`;
      }),
      ageColumn,
    ],
    default(object) {
      if (object.spec.matchResources !== undefined) defaultMatch(object.spec.matchResources);
    },
  });

function defaultMatch(match: {
  matchPolicy?: string | undefined;
  namespaceSelector?: object | undefined;
  objectSelector?: object | undefined;
}): void {
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
}

/** In the order of the table of kinds. */
export const genericStrategies: readonly Strategy[] = [
  policies<MutatingAdmissionPolicy>('MutatingAdmissionPolicy', 'Mutations', p => p.spec?.mutations?.length ?? 0),
  bindings<MutatingAdmissionPolicyBinding>('MutatingAdmissionPolicyBinding'),
  webhooks<MutatingWebhookConfiguration>('MutatingWebhookConfiguration'),
  policies<ValidatingAdmissionPolicy>(
    'ValidatingAdmissionPolicy',
    'Validations',
    p => p.spec?.validations?.length ?? 0,
  ),
  bindings<ValidatingAdmissionPolicyBinding>('ValidatingAdmissionPolicyBinding'),
  webhooks<ValidatingWebhookConfiguration>('ValidatingWebhookConfiguration'),
  genericStrategy<FlowSchema>(kindInfo(FLOW, 'FlowSchema'), {
    columns: [
      nameColumn,
      column('PriorityLevel', 'Level that requests get.', f => f.spec?.priorityLevelConfiguration?.name ?? ''),
      column('MatchingPrecedence', 'Lower is tried first.', f => f.spec?.matchingPrecedence ?? 0),
      column(
        'DistinguisherMethod',
        'What divides requests into flows.',
        f => f.spec?.distinguisherMethod?.type ?? '<none>',
      ),
      ageColumn,
      column(
        'MissingPL',
        'Whether the level does not exist.',
        f => f.status?.conditions?.find(c => c.type === 'Dangling')?.status || '?',
      ),
    ],
    default(f) {
      if (!f.spec.matchingPrecedence) f.spec.matchingPrecedence = 1000;
    },
  }),
  genericStrategy<PriorityLevelConfiguration>(kindInfo(FLOW, 'PriorityLevelConfiguration'), {
    columns: [
      nameColumn,
      column('Type', 'Whether there is a limit.', p => p.spec?.type ?? ''),
      column(
        'NominalConcurrencyShares',
        'Share of the seats.',
        p => p.spec?.limited?.nominalConcurrencyShares ?? '<none>',
      ),
      column('Queues', 'Number of queues.', p => p.spec?.limited?.limitResponse?.queuing?.queues ?? '<none>'),
      column(
        'HandSize',
        'Queues that a flow may use.',
        p => p.spec?.limited?.limitResponse?.queuing?.handSize ?? '<none>',
      ),
      column(
        'QueueLengthLimit',
        'Requests that a queue holds.',
        p => p.spec?.limited?.limitResponse?.queuing?.queueLengthLimit ?? '<none>',
      ),
      ageColumn,
    ],
    default({ spec }) {
      if (spec.limited !== undefined) spec.limited.nominalConcurrencyShares ??= 30;
      if (spec.limited !== undefined) spec.limited.lendablePercent ??= 0;
      if (spec.exempt !== undefined) spec.exempt.nominalConcurrencyShares ??= 0;
      if (spec.exempt !== undefined) spec.exempt.lendablePercent ??= 0;
    },
  }),
  genericStrategy<IPAddress>(kindInfo(NETWORKING, 'IPAddress'), {
    columns: [
      nameColumn,
      column('ParentRef', 'Object that uses the address.', ({ spec }) => {
        const { resource = '', group = '', namespace = '', name = '' } = spec?.parentRef ?? {};
        return `${resource}${group === '' ? '' : `.${group}`}/${namespace === '' ? '' : `${namespace}/`}${name}`;
      }),
      ageColumn,
    ],
  }),
  genericStrategy<ServiceCIDR>(kindInfo(NETWORKING, 'ServiceCIDR'), {
    columns: [nameColumn, column('CIDRs', 'Ranges of addresses.', s => (s.spec?.cidrs ?? []).join(',')), ageColumn],
  }),
  genericStrategy(kindInfo(RESOURCE, 'DeviceClass'), { columns: [nameColumn, ageColumn] }),
  genericStrategy<ResourceClaim>(kindInfo(RESOURCE, 'ResourceClaim'), {
    columns: [
      nameColumn,
      column('State', 'How far the claim is.', ({ metadata, status }) => {
        const states: string[] = metadata.deletionTimestamp === undefined ? [] : ['deleted'];
        if (status?.allocation === undefined) {
          if (states.length === 0) states.push('pending');
        } else {
          states.push('allocated');
          if ((status.reservedFor ?? []).length > 0) states.push('reserved');
        }
        return states.join(',');
      }),
      ageColumn,
    ],
    default({ spec }) {
      for (const request of spec.devices?.requests ?? []) {
        const { exactly } = request;
        if (exactly === undefined) continue;
        exactly.allocationMode ??= 'ExactCount';
        if (exactly.allocationMode === 'ExactCount' && !exactly.count) exactly.count = 1;
      }
    },
  }),
  genericStrategy(kindInfo(RESOURCE, 'ResourceClaimTemplate'), { columns: [nameColumn, ageColumn] }),
  genericStrategy<ResourceSlice>(kindInfo(RESOURCE, 'ResourceSlice'), {
    columns: [
      nameColumn,
      column('Node', 'Node that has the devices.', s => s.spec?.nodeName || '<unset>'),
      column('Driver', 'Driver of the devices.', s => s.spec?.driver ?? ''),
      column('Pool', 'Pool that the slice is part of.', s => s.spec?.pool?.name ?? ''),
      ageColumn,
    ],
    selectableFields: s => ({ 'spec.nodeName': s.spec?.nodeName ?? '', 'spec.driver': s.spec?.driver ?? '' }),
  }),
  genericStrategy<CSIDriver>(kindInfo(STORAGE, 'CSIDriver'), {
    columns: [
      nameColumn,
      column('AttachRequired', 'Whether volumes are attached first.', d => d.spec?.attachRequired ?? true, 'boolean'),
      column(
        'PodInfoOnMount',
        'Whether the driver is told about the pod.',
        d => d.spec?.podInfoOnMount ?? false,
        'boolean',
      ),
      column(
        'StorageCapacity',
        'Whether the scheduler looks at capacities.',
        d => d.spec?.storageCapacity ?? false,
        'boolean',
      ),
      column('TokenRequests', 'Audiences of tokens.', d =>
        d.spec?.tokenRequests === undefined ? '<unset>' : d.spec.tokenRequests.map(t => t.audience).join(','),
      ),
      column(
        'RequiresRepublish',
        'Whether volumes are published again and again.',
        d => d.spec?.requiresRepublish ?? false,
        'boolean',
      ),
      column('Modes', 'Kinds of volume.', d => listOrNone(d.spec?.volumeLifecycleModes)),
      ageColumn,
    ],
    default({ spec }) {
      spec.attachRequired ??= true;
      spec.podInfoOnMount ??= false;
      spec.storageCapacity ??= false;
      spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
      if ((spec.volumeLifecycleModes ?? []).length === 0) spec.volumeLifecycleModes = ['Persistent'];
      spec.requiresRepublish ??= false;
      spec.seLinuxMount ??= false;
    },
  }),
  genericStrategy<CSINode>(kindInfo(STORAGE, 'CSINode'), {
    columns: [
      nameColumn,
      column('Drivers', 'Number of drivers on the node.', n => n.spec?.drivers?.length ?? 0, 'integer'),
      ageColumn,
    ],
  }),
  genericStrategy<CSIStorageCapacity>(kindInfo(STORAGE, 'CSIStorageCapacity'), {
    columns: [
      nameColumn,
      column('StorageClassName', 'Class that the capacity is for.', c => c.storageClassName ?? ''),
      column('Capacity', 'What is left.', c => c.capacity ?? ''),
    ],
  }),
  genericStrategy<VolumeAttachment>(kindInfo(STORAGE, 'VolumeAttachment'), {
    columns: [
      nameColumn,
      column('Attacher', 'Driver that attaches.', a => a.spec?.attacher ?? ''),
      column('PV', 'Volume.', a => a.spec?.source?.persistentVolumeName ?? ''),
      column('Node', 'Node that the volume is attached to.', a => a.spec?.nodeName ?? ''),
      column('Attached', 'Whether it is.', a => a.status?.attached ?? false, 'boolean'),
      ageColumn,
    ],
  }),
  genericStrategy<VolumeAttributesClass>(kindInfo(STORAGE, 'VolumeAttributesClass'), {
    columns: [
      nameColumn,
      column('DriverName', 'Driver that knows the parameters.', c => c.driverName ?? ''),
      ageColumn,
    ],
  }),
];
