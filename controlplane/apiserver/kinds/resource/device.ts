/** Validation of the devices that a ResourceSlice offers. Source: Kubernetes `pkg/apis/resource/validation`, 1.36. */
import {
  invalidError,
  notFoundError,
  requiredError,
  tooLongError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label, dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import type { Device, DeviceAttribute, NodeAllocatableResourceMapping } from '../../../../proto/api/resource-v1.ts';
import { checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkList, checkMap } from '../validation/list-rules.ts';
import { checkNodeSelector } from '../../../../machinery/validation/node-selector.ts';
import { checkQuantity } from '../../../../machinery/validation/resource-list.ts';
import { checkDeviceCapacity } from './device-capacity.ts';
import { checkQualifiedDeviceName } from './device-names.ts';
import { checkBindingConditions, checkDeviceTaint } from './device-taints.ts';

const MAX_PROPERTIES = 32;
const MAX_TAINTS = 16;
const MAX_CONSUMPTIONS = 2;
const MAX_COUNTERS = 32;
const MAX_VALUE = 64;
const NUMBER = '(0|[1-9]\\d*)';
const PRERELEASE = '(0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)';
const SEMVER = new RegExp(
  `^${NUMBER}\\.${NUMBER}\\.${NUMBER}(-${PRERELEASE}(\\.${PRERELEASE})*)?(\\+[0-9a-zA-Z-]+(\\.[0-9a-zA-Z-]+)*)?$`,
);
const VALUES = ['bool', 'int', 'string', 'version', 'bools', 'ints', 'strings', 'versions'] as const;

/** @param choosesNodes each device of the slice says itself which nodes reach it */
export function checkDevice(errors: FieldError[], path: FieldPath, device: Device, choosesNodes: boolean): void {
  checkShape(errors, path.child('name'), device.name ?? '', dns1123Label);
  const properties = Object.keys(device.attributes ?? {}).length + Object.keys(device.capacity ?? {}).length;
  if (properties > MAX_PROPERTIES) {
    const why = `the total number of attributes and capacities must not exceed ${MAX_PROPERTIES}`;
    errors.push(invalidError(path, properties, why));
  }
  checkMap(errors, path.child('attributes'), device.attributes, {
    checkKey: checkQualifiedDeviceName,
    checkValue: checkAttribute,
  });
  checkMap(errors, path.child('capacity'), device.capacity, {
    checkKey: checkQualifiedDeviceName,
    checkValue: (_, at, capacity) =>
      checkDeviceCapacity(errors, at, capacity, device.allowMultipleAllocations === true),
  });
  checkList(errors, path.child('taints'), device.taints, { max: MAX_TAINTS, check: checkDeviceTaint });
  checkList(errors, path.child('consumesCounters'), device.consumesCounters, {
    max: MAX_CONSUMPTIONS,
    key: consumption => consumption.counterSet,
    check(_, at, { counterSet, counters }) {
      if (isBlank(counterSet)) errors.push(requiredError(at.child('counterSet')));
      else checkShape(errors, at.child('counterSet'), counterSet, dns1123Label);
      if (Object.keys(counters ?? {}).length === 0) errors.push(requiredError(at.child('counters')));
      checkMap(errors, at.child('counters'), counters, {
        max: MAX_COUNTERS,
        checkKey: (_errors, keyPath, key) => checkShape(errors, keyPath, key, dns1123Label),
      });
    },
  });
  checkNodes(errors, path, device, choosesNodes);
  checkBindingConditions(errors, path, device);
  for (const [name, mapping] of Object.entries(device.nodeAllocatableResourceMappings ?? {}))
    checkMapping(errors, path.child('nodeAllocatableResourceMappings').key(name), mapping, device);
}

function checkNodes(errors: FieldError[], path: FieldPath, device: Device, choosesNodes: boolean): void {
  const { nodeName, nodeSelector, allNodes } = device;
  if (!choosesNodes) {
    if (nodeName === undefined && nodeSelector === undefined && allNodes === undefined) return;
    const why =
      '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec';
    errors.push(invalidError(path, undefined, why));
    return;
  }
  const set: string[] = [];
  if (nodeName === '') errors.push(invalidError(path.child('nodeName'), '', 'must not be empty'));
  else if (nodeName !== undefined) {
    set.push('`nodeName`');
    checkShape(errors, path.child('nodeName'), nodeName, dns1123Subdomain);
  }
  if (nodeSelector !== undefined) {
    set.push('`nodeSelector`');
    checkNodeSelector(errors, path.child('nodeSelector'), nodeSelector);
  }
  if (allNodes === true) set.push('`allNodes`');
  else if (allNodes === false)
    errors.push(invalidError(path.child('allNodes'), false, 'must be either unset or set to true'));
  const rule =
    'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec';
  if (set.length === 0) errors.push(requiredError(path, rule));
  else if (set.length > 1) errors.push(invalidError(path, `{${set.join(', ')}}`, rule));
}

function checkAttribute(errors: FieldError[], path: FieldPath, attribute: DeviceAttribute): void {
  const set = VALUES.filter(field => attribute[field] !== undefined);
  for (const field of ['bools', 'ints', 'strings', 'versions'] as const) {
    const list = attribute[field];
    if (list?.length === 0) errors.push(invalidError(path.child(field), list, 'must not be empty if specified'));
  }
  if (attribute.string !== undefined) checkText(errors, path.child('string'), attribute.string);
  if (attribute.version !== undefined) checkVersion(errors, path.child('version'), attribute.version);
  for (const [i, text] of (attribute.strings ?? []).entries()) checkText(errors, path.child('strings').index(i), text);
  for (const [i, text] of (attribute.versions ?? []).entries())
    checkVersion(errors, path.child('versions').index(i), text);
  if (set.length !== 1)
    errors.push(invalidError(path, set.length === 0 ? '' : attribute, 'exactly one value must be specified'));
}

function checkText(errors: FieldError[], path: FieldPath, text: string): void {
  if (Buffer.byteLength(text) > MAX_VALUE) errors.push(tooLongError(path, MAX_VALUE));
}

function checkVersion(errors: FieldError[], path: FieldPath, text: string): void {
  if (!SEMVER.test(text))
    errors.push(invalidError(path, text, 'must be a string compatible with semver.org spec 2.0.0'));
  checkText(errors, path, text);
}

function checkMapping(
  errors: FieldError[],
  path: FieldPath,
  { capacityKey, allocationMultiplier }: NodeAllocatableResourceMapping,
  device: Device,
): void {
  const at = path.child('capacityKey');
  if (capacityKey === '') errors.push(invalidError(at, '', 'capacityKey must not be an empty string'));
  else if (capacityKey !== undefined && device.capacity?.[capacityKey] === undefined)
    errors.push(notFoundError(at, capacityKey));
  if (allocationMultiplier === undefined) return;
  const factor = checkQuantity(errors, path.child('allocationMultiplier'), allocationMultiplier);
  if (factor !== undefined && factor.sign() <= 0)
    errors.push(invalidError(path.child('allocationMultiplier'), factor.toString(), 'must be positive'));
}
