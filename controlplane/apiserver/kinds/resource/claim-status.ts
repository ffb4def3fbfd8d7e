/** Validation of a claim's status: the allocation, who uses it, and what drivers say of the devices. Source: as device-claim.ts. */
import {
  forbiddenError,
  invalidError,
  tooLongError,
  tooManyError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label } from '../../../../machinery/meta/names.ts';
import type {
  AllocatedDeviceStatus,
  AllocationResult,
  DeviceRequestAllocationResult,
  NetworkDeviceData,
  ResourceClaim,
} from '../../../../proto/api/resource-v1.ts';
import { interfaceAddress } from '../validation/addresses.ts';
import { checkEnum, checkImmutable, checkRequired, checkShape } from '../../../../machinery/validation/checks.ts';
import { checkConditions } from '../validation/conditions.ts';
import { checkDriverName } from '../validation/csi-driver-name.ts';
import { checkList } from '../validation/list-rules.ts';
import { checkNodeSelector } from '../../../../machinery/validation/node-selector.ts';
import { checkRequestReference, checkRequestReferences, requestNames, type RequestNames } from './device-claim.ts';
import { checkDeviceConfiguration, checkRawObject, MAX_CONFIGURATIONS } from './device-configuration.ts';
import { checkPoolName, checkShareId } from './device-names.ts';
import { checkBindingConditions, checkDeviceTolerations } from './device-taints.ts';

const STATUS = FieldPath.of('status');
const MAX_USERS = 256;
const MAX_RESULTS = 32;
const MAX_CONDITIONS = 8;
const MAX_DATA_BYTES = 10 * 1024;
const MAX_INTERFACE_NAME = 256;
const MAX_HARDWARE_ADDRESS = 128;
const MAX_ADDRESSES = 16;

export function checkClaimStatus(claim: ResourceClaim, older: ResourceClaim): FieldError[] {
  const errors: FieldError[] = [];
  const { reservedFor = [], allocation, devices } = claim.status ?? {};
  const before = older.status;
  checkList(errors, STATUS.child('reservedFor'), reservedFor, {
    max: MAX_USERS,
    key: user => user.uid,
    check(_, at, user) {
      for (const field of ['resource', 'name', 'uid'] as const) checkRequired(errors, at.child(field), user[field]);
    },
  });
  const allocated = new Set((allocation?.devices?.results ?? []).map(deviceKey));
  checkList(errors, STATUS.child('devices'), devices, {
    key: deviceKey,
    check: (_, at, device) => checkDeviceStatus(errors, at, device, allocated),
  });
  if (reservedFor.length > 0) {
    const at = STATUS.child('reservedFor');
    const known = new Set((before?.reservedFor ?? []).map(user => user.uid));
    if (allocation === undefined) {
      errors.push(forbiddenError(at, 'may not be specified when `allocated` is not set'));
    } else if (claim.metadata.deletionTimestamp !== undefined && reservedFor.some(user => !known.has(user.uid))) {
      const why = 'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set';
      errors.push(forbiddenError(at, why));
    }
  }
  if (allocation !== undefined) {
    const at = STATUS.child('allocation');
    if (before?.allocation !== undefined) checkImmutable(errors, at, allocation, before.allocation);
    else checkAllocation(errors, at, allocation, requestNames(claim.spec.devices));
  }
  return errors;
}

function checkAllocation(
  errors: FieldError[],
  path: FieldPath,
  allocation: AllocationResult,
  names: RequestNames,
): void {
  const { results, config } = allocation.devices ?? {};
  checkList(errors, path.child('devices', 'results'), results, {
    max: MAX_RESULTS,
    check: (_, at, result) => checkResult(errors, at, result, names),
  });
  checkList(errors, path.child('devices', 'config'), config, {
    // That of the class and that of the claim.
    max: 2 * MAX_CONFIGURATIONS,
    check(_, at, item) {
      checkEnum(errors, at.child('source'), item.source, ['FromClaim', 'FromClass']);
      checkRequestReferences(errors, at.child('requests'), item.requests, names);
      checkDeviceConfiguration(errors, at, item);
    },
  });
  if (allocation.nodeSelector !== undefined)
    checkNodeSelector(errors, path.child('nodeSelector'), allocation.nodeSelector);
}

function checkResult(
  errors: FieldError[],
  path: FieldPath,
  result: DeviceRequestAllocationResult,
  names: RequestNames,
): void {
  checkRequestReference(errors, path.child('request'), result.request ?? '', names);
  checkDriverName(errors, path.child('driver'), result.driver);
  checkPoolName(errors, path.child('pool'), result.pool);
  checkShape(errors, path.child('device'), result.device ?? '', dns1123Label);
  checkBindingConditions(errors, path, result);
  checkDeviceTolerations(errors, path.child('tolerations'), result.tolerations);
  checkShareId(errors, path.child('shareID'), result.shareID);
}

function checkDeviceStatus(
  errors: FieldError[],
  path: FieldPath,
  device: AllocatedDeviceStatus,
  allocated: ReadonlySet<string>,
): void {
  checkDriverName(errors, path.child('driver'), device.driver);
  checkPoolName(errors, path.child('pool'), device.pool);
  checkShape(errors, path.child('device'), device.device ?? '', dns1123Label);
  checkShareId(errors, path.child('shareID'), device.shareID);
  const key = deviceKey(device);
  if (!allocated.has(key)) errors.push(invalidError(path, key, 'must be an allocated device in the claim'));
  const conditions = device.conditions ?? [];
  const at = path.child('conditions');
  if (conditions.length > MAX_CONDITIONS) errors.push(tooManyError(at, conditions.length, MAX_CONDITIONS));
  checkConditions(errors, at, conditions);
  if (device.data !== undefined) checkRawObject(errors, path.child('data'), device.data, MAX_DATA_BYTES);
  if (device.networkData !== undefined) checkNetworkData(errors, path.child('networkData'), device.networkData);
}

function checkNetworkData(errors: FieldError[], path: FieldPath, data: NetworkDeviceData): void {
  if ((data.interfaceName ?? '').length > MAX_INTERFACE_NAME)
    errors.push(tooLongError(path.child('interfaceName'), MAX_INTERFACE_NAME));
  if ((data.hardwareAddress ?? '').length > MAX_HARDWARE_ADDRESS)
    errors.push(tooLongError(path.child('hardwareAddress'), MAX_HARDWARE_ADDRESS));
  checkList(errors, path.child('ips'), data.ips, {
    max: MAX_ADDRESSES,
    key: address => address,
    check: (_, at, address) => checkShape(errors, at, address, interfaceAddress),
  });
}

function deviceKey({
  driver,
  pool,
  device,
  shareID,
}: {
  readonly driver: string;
  readonly pool: string;
  readonly device: string;
  readonly shareID?: string | undefined;
}): string {
  return [driver, pool, device, ...(shareID === undefined ? [] : [shareID])].join('/');
}
