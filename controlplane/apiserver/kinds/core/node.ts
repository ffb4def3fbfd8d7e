/** Nodes. Source: Kubernetes `pkg/registry/core/node`, `pkg/apis/core/validation` and `pkg/printers`, 1.36. */
import {
  duplicateError,
  forbiddenError,
  invalidError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { labelValue, qualifiedName } from '../../../../machinery/meta/names.ts';
import { findCondition } from '../../../../machinery/meta/object.ts';
import { cidr } from '../../../../machinery/meta/value-shapes.ts';
import type { Node, NodeSpec, ResourceList, Taint } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, listOrNone, nameColumn, wide } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkResourceAmount } from '../../../../machinery/validation/resource-list.ts';
import { keepSpec } from '../validation/spec-kept.ts';

const SPEC = FieldPath.of('spec');
const STATUS = FieldPath.of('status');
/** How upstream writes the path of a whole object. */
const WHOLE = '[]';
const ROLE_PREFIX = 'node-role.kubernetes.io/';
const ROLE_LABEL = 'kubernetes.io/role';

export const nodeStrategy: Strategy<Node> = {
  info: kindInfo('', 'Node'),
  tracksGeneration: false,
  columns: [
    nameColumn,
    column('Status', 'Whether the node takes and runs pods.', statusOf),
    column('Roles', 'Roles that labels give the node.', node => listOrNone(rolesOf(node))),
    ageColumn,
    column('Version', 'Version of the kubelet.', node => node.status?.nodeInfo?.kubeletVersion ?? ''),
    wide('Internal-IP', 'Address inside the cluster.', node => addressOf(node, 'InternalIP')),
    wide('External-IP', 'Address for the outside.', node => addressOf(node, 'ExternalIP')),
    wide('OS-Image', 'Operating system.', node => node.status?.nodeInfo?.osImage || '<unknown>'),
    wide('Kernel-Version', 'Version of the kernel.', node => node.status?.nodeInfo?.kernelVersion || '<unknown>'),
    wide(
      'Container-Runtime',
      'Container runtime and its version.',
      node => node.status?.nodeInfo?.containerRuntimeVersion || '<unknown>',
    ),
  ],
  allowUnconditionalUpdate: true,
  selectableFields: node => ({ 'spec.unschedulable': String(node.spec.unschedulable === true) }),
  default(node) {
    node.spec ??= {};
    const { status, spec } = node;
    settleRanges(spec);
    if (status?.capacity === undefined) return;
    const allocatable = (status.allocatable ??= {});
    for (const [name, amount] of Object.entries(status.capacity)) allocatable[name] ??= amount;
  },
  validate(node) {
    const errors: FieldError[] = [];
    checkTaints(errors, node.spec.taints ?? []);
    checkAmounts(errors, STATUS.child('capacity'), node.status?.capacity);
    checkAmounts(errors, STATUS.child('allocatable'), node.status?.allocatable);
    checkPodRanges(errors, node.spec.podCIDRs ?? []);
    return errors;
  },
  validateUpdate(node, older) {
    const errors: FieldError[] = [];
    const was = older.spec;
    checkAddresses(errors, node);
    if ((was.podCIDRs ?? []).length > 0 && !jsonEquals(node.spec.podCIDRs ?? [], was.podCIDRs)) {
      errors.push(
        forbiddenError(SPEC.child('podCIDRs'), 'node updates may not change podCIDR except from "" to valid'),
      );
    }
    if (!isBlank(was.providerID) && node.spec.providerID !== was.providerID) {
      errors.push(
        forbiddenError(SPEC.child('providerID'), 'node updates may not change providerID except from "" to valid'),
      );
    }
    if ((node.spec.externalID ?? '') !== (was.externalID ?? ''))
      errors.push(forbiddenError(SPEC.child('externalID'), 'may not be updated'));
    else if (!jsonEquals(protectedSpec(node.spec, was), protectedSpec(was, was)))
      errors.push(forbiddenError(WHOLE, 'node updates may only change labels, taints, or capacity'));
    return errors;
  },
  status: {
    prepareForUpdate: keepSpec,
    validateUpdate(node) {
      const errors: FieldError[] = [];
      checkAmounts(errors, STATUS.child('capacity'), node.status?.capacity);
      checkAmounts(errors, STATUS.child('allocatable'), node.status?.allocatable);
      checkAddresses(errors, node);
      return errors;
    },
  },
};

/** Of the old and the new form of the pod range the old one decides where they differ, as in upstream's conversion. */
function settleRanges(spec: NodeSpec): void {
  const { podCIDR } = spec;
  const [first] = spec.podCIDRs ?? [];
  if (!isBlank(podCIDR)) {
    if (first !== podCIDR) spec.podCIDRs = [podCIDR];
  } else if (first !== undefined) spec.podCIDR = first;
}

/** What no update may change; what was empty may be set once. */
function protectedSpec(spec: NodeSpec, was: NodeSpec): object {
  const { unschedulable: _, taints: __, podCIDR: ___, podCIDRs, providerID, ...kept } = spec;
  return {
    ...kept,
    ...((was.podCIDRs ?? []).length > 0 ? { podCIDRs } : {}),
    ...(isBlank(was.providerID) ? {} : { providerID }),
  };
}

function checkTaints(errors: FieldError[], taints: readonly Taint[]): void {
  const seen = new Set<string>();
  // Upstream says of taints that they stand in the metadata.
  const path = FieldPath.of('metadata', 'taints');
  for (const [i, taint] of taints.entries()) {
    const at = path.index(i);
    checkShape(errors, at.child('key'), taint.key ?? '', qualifiedName);
    const problems = labelValue(taint.value ?? '');
    if (problems.length > 0) errors.push(invalidError(at.child('value'), taint.value, problems.join(';')));
    checkEnum(errors, at.child('effect'), taint.effect, ['NoSchedule', 'PreferNoSchedule', 'NoExecute']);
    const key = `${taint.effect} ${taint.key}`;
    if (seen.has(key))
      errors.push(duplicateError(at, taintShown(taint), 'taints must be unique by key and effect pair'));
    seen.add(key);
  }
}

function checkAmounts(errors: FieldError[], path: FieldPath, amounts: ResourceList | undefined): void {
  for (const [name, text] of Object.entries(amounts ?? {})) checkResourceAmount(errors, path.child(name), name, text);
}

function taintShown({ key = '', value = '', effect = '' }: Taint): Record<string, unknown> {
  return { Key: key, Value: value, Effect: effect, TimeAdded: null };
}

function checkPodRanges(errors: FieldError[], ranges: readonly string[]): void {
  const path = SPEC.child('podCIDRs');
  for (const [i, range] of ranges.entries()) checkShape(errors, path.index(i), range, cidr);
  if (ranges.length < 2) return;
  const families = new Set(ranges.map(range => range.includes(':')));
  if (families.size < 2 || ranges.length > 2)
    errors.push(invalidError(path, ranges, 'may specify no more than one CIDR for each IP family'));
  for (const [i, range] of ranges.entries())
    if (ranges.indexOf(range) < i) errors.push(duplicateError(path.index(i), range));
}

function checkAddresses(errors: FieldError[], { status }: Node): void {
  const seen = new Set<string>();
  for (const [i, { type, address }] of (status?.addresses ?? []).entries()) {
    const key = `${type} ${address}`;
    if (seen.has(key))
      errors.push(duplicateError(STATUS.child('addresses').index(i), { Type: type, Address: address }));
    seen.add(key);
  }
}

function statusOf(node: Node): string {
  const ready = findCondition(node.status?.conditions, 'Ready');
  const word = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return node.spec.unschedulable === true ? `${word},SchedulingDisabled` : word;
}

function rolesOf(node: Node): string[] {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(node.metadata.labels ?? {})) {
    if (key.startsWith(ROLE_PREFIX)) {
      if (key.length > ROLE_PREFIX.length) roles.add(key.slice(ROLE_PREFIX.length));
    } else if (key === ROLE_LABEL && value !== '') roles.add(value);
  }
  return [...roles].sort();
}

function addressOf(node: Node, type: string): string {
  return node.status?.addresses?.find(address => address.type === type)?.address ?? '<none>';
}
