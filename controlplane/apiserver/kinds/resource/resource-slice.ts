/** ResourceSlices. Source: Kubernetes `pkg/apis/resource` and `pkg/registry/resource/resourceslice`, 1.36. */
import { invalidError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label, dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import type { ResourceSlice, ResourceSliceSpec } from '../../../../proto/api/resource-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkImmutable, checkShape } from '../../../../machinery/validation/checks.ts';
import { checkDriverName } from '../validation/csi-driver-name.ts';
import { checkList, checkMap } from '../validation/list-rules.ts';
import { checkNodeSelector } from '../../../../machinery/validation/node-selector.ts';
import { checkDevice } from './device.ts';
import { checkPoolName } from './device-names.ts';

const SPEC = FieldPath.of('spec');
const MAX_DEVICES = 128;
/** With taints, counters or attributes that are lists. */
const MAX_ELABORATE_DEVICES = 64;
const MAX_COUNTER_SETS = 8;
const MAX_COUNTERS = 32;

export const resourceSliceStrategy: Strategy<ResourceSlice> = {
  info: kindInfo('resource.k8s.io', 'ResourceSlice'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('Node', 'Node that has the devices.', ({ spec }) =>
      spec.allNodes === true ? '<all>' : (spec.nodeName ?? ''),
    ),
    column('Driver', 'Driver that offers them.', ({ spec }) => spec.driver ?? ''),
    column('Pool', 'Pool that they are in.', ({ spec }) => spec.pool?.name ?? ''),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
  selectableFields: ({ spec }) => ({ 'spec.nodeName': spec?.nodeName ?? '', 'spec.driver': spec?.driver ?? '' }),
  default({ spec }) {
    for (const device of spec.devices ?? []) {
      for (const taint of device.taints ?? []) taint.timeAdded ??= new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    }
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    checkDriverName(errors, SPEC.child('driver'), spec.driver);
    checkPool(errors, SPEC.child('pool'), spec.pool);
    checkNodes(errors, spec);
    if (spec.sharedCounters !== undefined && spec.devices !== undefined)
      errors.push(invalidError(SPEC, '', 'only one of `sharedCounters` or `devices` is allowed'));
    checkList(errors, SPEC.child('devices'), spec.devices, {
      max: isElaborate(spec) ? MAX_ELABORATE_DEVICES : MAX_DEVICES,
      key: device => device.name,
      check: (_, at, device) => checkDevice(errors, at, device, spec.perDeviceNodeSelection === true),
    });
    checkList(errors, SPEC.child('sharedCounters'), spec.sharedCounters, {
      max: MAX_COUNTER_SETS,
      key: set => set.name,
      check(_, at, set) {
        if (!set.name) errors.push(requiredError(at.child('name')));
        else checkShape(errors, at.child('name'), set.name, dns1123Label);
        if (Object.keys(set.counters ?? {}).length === 0) errors.push(requiredError(at.child('counters')));
        checkMap(errors, at.child('counters'), set.counters, {
          max: MAX_COUNTERS,
          checkKey: (_errors, keyPath, key) => checkShape(errors, keyPath, key, dns1123Label),
        });
      },
    });
    return errors;
  },
  validateUpdate({ spec }, { spec: older }) {
    const errors: FieldError[] = [];
    checkImmutable(errors, SPEC.child('pool', 'name'), spec.pool?.name, older.pool?.name);
    checkImmutable(errors, SPEC.child('driver'), spec.driver, older.driver);
    checkImmutable(errors, SPEC.child('nodeName'), spec.nodeName, older.nodeName);
    return errors;
  },
};

function checkPool(errors: FieldError[], path: FieldPath, pool: ResourceSliceSpec['pool'] | undefined): void {
  checkPoolName(errors, path.child('name'), pool?.name);
  const count = pool?.resourceSliceCount ?? 0;
  if (count <= 0) errors.push(invalidError(path.child('resourceSliceCount'), count, 'must be greater than zero'));
  const generation = pool?.generation ?? 0;
  if (generation < 0)
    errors.push(invalidError(path.child('generation'), generation, 'must be greater than or equal to zero'));
}

function checkNodes(errors: FieldError[], spec: ResourceSliceSpec): void {
  const set: string[] = [];
  if (spec.nodeName === '')
    errors.push(invalidError(SPEC.child('nodeName'), '', 'must be either unset or set to a non-empty string'));
  else if (spec.nodeName !== undefined) {
    set.push('`nodeName`');
    checkShape(errors, SPEC.child('nodeName'), spec.nodeName, dns1123Subdomain);
  }
  if (spec.nodeSelector !== undefined) {
    set.push('`nodeSelector`');
    const at = SPEC.child('nodeSelector');
    checkNodeSelector(errors, at, spec.nodeSelector);
    const terms = spec.nodeSelector.nodeSelectorTerms ?? [];
    if (terms.length !== 1)
      errors.push(invalidError(at.child('nodeSelectorTerms'), terms, 'must have exactly one node selector term'));
  }
  for (const field of ['allNodes', 'perDeviceNodeSelection'] as const) {
    if (spec[field] === true) set.push(`\`${field}\``);
    else if (spec[field] === false)
      errors.push(invalidError(SPEC.child(field), false, 'must be either unset or set to true'));
  }
  const rule = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';
  if (set.length === 0) errors.push(requiredError(SPEC, rule));
  else if (set.length > 1)
    errors.push(invalidError(SPEC, `{${set.join(', ')}}`, `${rule}, but multiple fields are set`));
}

function isElaborate({ devices = [] }: ResourceSliceSpec): boolean {
  return devices.some(
    ({ taints = [], consumesCounters = [], attributes = {} }) =>
      taints.length > 0 ||
      consumesCounters.length > 0 ||
      Object.values(attributes).some(a => (a.bools ?? a.ints ?? a.strings ?? a.versions) !== undefined),
  );
}
