/**
 * What a claim asks for: requests, constraints between them, configuration. Defaults and validation, for claims and templates of them.
 * Source: Kubernetes `pkg/apis/resource/validation` and `pkg/apis/resource/v1/defaults.go`, 1.36.
 */
import {
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label, dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import type {
  DeviceClaim,
  DeviceConstraint,
  DeviceRequest,
  DeviceSubRequest,
  DeviceToleration,
  ExactDeviceRequest,
} from '../../../../proto/api/resource-v1.ts';
import { checkRequired, checkShape } from '../../../../machinery/validation/checks.ts';
import { checkList } from '../validation/list-rules.ts';
import { checkDeviceConfiguration, checkDeviceSelectors, MAX_CONFIGURATIONS } from './device-configuration.ts';
import { checkFullyQualifiedDeviceName } from './device-names.ts';
import { checkDeviceTolerations } from './device-taints.ts';

const MAX_REQUESTS = 32;
const MAX_CONSTRAINTS = 32;
const MAX_ALTERNATIVES = 8;
const REQUEST_REFERENCE =
  "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

/** The names that references may use: of requests, and of their alternatives. */
export type RequestNames = ReadonlyMap<string, ReadonlySet<string>>;

export function requestNames(claim: DeviceClaim | undefined): RequestNames {
  return new Map(
    (claim?.requests ?? []).map(({ name, firstAvailable = [] }) => [
      name,
      new Set(firstAvailable.map(sub => sub.name)),
    ]),
  );
}

export function defaultDeviceClaim(claim: DeviceClaim | undefined): void {
  for (const { exactly, firstAvailable = [] } of claim?.requests ?? []) {
    for (const request of exactly === undefined ? firstAvailable : [exactly, ...firstAvailable]) {
      request.allocationMode ||= 'ExactCount';
      if (request.allocationMode === 'ExactCount' && !request.count) request.count = 1;
      defaultTolerations(request.tolerations);
    }
  }
}

export function defaultTolerations(tolerations: DeviceToleration[] | undefined): void {
  for (const toleration of tolerations ?? []) toleration.operator ||= 'Equal';
}

export function checkDeviceClaim(errors: FieldError[], path: FieldPath, claim: DeviceClaim | undefined): void {
  const names = requestNames(claim);
  checkList(errors, path.child('requests'), claim?.requests, {
    max: MAX_REQUESTS,
    key: request => request.name,
    check: checkRequest,
  });
  checkList(errors, path.child('constraints'), claim?.constraints, {
    max: MAX_CONSTRAINTS,
    check: (_, at, constraint) => checkConstraint(errors, at, constraint, names),
  });
  checkList(errors, path.child('config'), claim?.config, {
    max: MAX_CONFIGURATIONS,
    check(_, at, config) {
      checkRequestReferences(errors, at.child('requests'), config.requests, names);
      checkDeviceConfiguration(errors, at, config);
    },
  });
}

/** Names of requests of the claim, `request` or `request/alternative`, none twice. */
export function checkRequestReferences(
  errors: FieldError[],
  path: FieldPath,
  references: readonly string[] | undefined,
  names: RequestNames,
): void {
  checkList(errors, path, references, {
    max: MAX_REQUESTS,
    key: name => name,
    check: (_, at, name) => checkRequestReference(errors, at, name, names),
  });
}

export function checkRequestReference(errors: FieldError[], path: FieldPath, name: string, names: RequestNames): void {
  const segments = name.split('/');
  const [request = '', alternative] = segments;
  if (segments.length > 2) {
    errors.push(invalidError(path, name, REQUEST_REFERENCE));
    return;
  }
  for (const segment of segments) checkShape(errors, path, segment, dns1123Label);
  const alternatives = names.get(request);
  if (alternatives === undefined || (alternative !== undefined && !alternatives.has(alternative)))
    errors.push(invalidError(path, name, REQUEST_REFERENCE));
}

function checkRequest(errors: FieldError[], path: FieldPath, request: DeviceRequest): void {
  checkShape(errors, path.child('name'), request.name ?? '', dns1123Label);
  const { exactly, firstAvailable = [] } = request;
  if (exactly === undefined && firstAvailable.length === 0) {
    errors.push(requiredError(path, 'exactly one of `exactly` or `firstAvailable` is required'));
  } else if (exactly !== undefined && firstAvailable.length > 0) {
    const why = 'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set';
    errors.push(invalidError(path, undefined, why));
  } else if (exactly !== undefined) checkRequestBody(errors, path.child('exactly'), exactly);
  else {
    checkList(errors, path.child('firstAvailable'), firstAvailable, {
      max: MAX_ALTERNATIVES,
      key: sub => sub.name,
      check(_, at, sub) {
        checkShape(errors, at.child('name'), sub.name ?? '', dns1123Label);
        checkRequestBody(errors, at, sub);
      },
    });
  }
}

function checkRequestBody(errors: FieldError[], path: FieldPath, request: ExactDeviceRequest | DeviceSubRequest): void {
  checkRequired(errors, path.child('deviceClassName'), request.deviceClassName, dns1123Subdomain);
  checkDeviceSelectors(errors, path.child('selectors'), request.selectors);
  const count = request.count ?? 0;
  switch (request.allocationMode) {
    case 'All':
      if (count !== 0) {
        const why = "must not be specified when allocationMode is 'All'";
        errors.push(invalidError(path.child('count'), count, why));
      }
      break;
    case 'ExactCount':
      if (count <= 0) errors.push(invalidError(path.child('count'), count, 'must be greater than zero'));
      break;
    default:
      errors.push(notSupportedError(path.child('allocationMode'), request.allocationMode ?? '', ['All', 'ExactCount']));
  }
  checkDeviceTolerations(errors, path.child('tolerations'), request.tolerations);
}

function checkConstraint(
  errors: FieldError[],
  path: FieldPath,
  { requests, matchAttribute, distinctAttribute }: DeviceConstraint,
  names: RequestNames,
): void {
  checkRequestReferences(errors, path.child('requests'), requests, names);
  if (matchAttribute !== undefined) checkFullyQualifiedDeviceName(errors, path.child('matchAttribute'), matchAttribute);
  else if (distinctAttribute !== undefined)
    checkFullyQualifiedDeviceName(errors, path.child('distinctAttribute'), distinctAttribute);
  else errors.push(requiredError(path.child('matchAttribute')));
}
