/** NetworkPolicies. Source: Kubernetes `pkg/apis/networking`, 1.36. */
import {
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { validateLabelSelector } from '../../../../machinery/meta/label-selector.ts';
import { cidr, portName, portNumber } from '../../../../machinery/meta/value-shapes.ts';
import type {
  IPBlock,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicySpec,
} from '../../../../proto/api/networking-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { isStrictSubnet, strictCidr } from '../validation/addresses.ts';
import { checkShape } from '../../../../machinery/validation/checks.ts';
import { selectorText } from '../workload/workload-columns.ts';

const SPEC = FieldPath.of('spec');

export const networkPolicyStrategy: Strategy<NetworkPolicy> = {
  info: kindInfo('networking.k8s.io', 'NetworkPolicy'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('Pod-Selector', 'Pods that the policy is for.', policy => selectorText(policy.spec.podSelector)),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
  default({ spec }) {
    spec.podSelector ??= {};
    if ((spec.policyTypes ?? []).length === 0) {
      spec.policyTypes = (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
    }
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
      for (const port of rule.ports ?? []) port.protocol ??= 'TCP';
    }
  },
  validateCreate: ({ spec }) => specErrors(spec, new Set()),
  validateUpdate: ({ spec }, { spec: older }) => specErrors(spec, networksOf(older)),
};

function specErrors(spec: NetworkPolicySpec, known: ReadonlySet<string>): FieldError[] {
  const errors = validateLabelSelector(spec.podSelector, SPEC.child('podSelector'));
  const checkRule = (
    at: FieldPath,
    ports: readonly NetworkPolicyPort[] = [],
    side: string,
    peers: readonly NetworkPolicyPeer[] = [],
  ): void => {
    for (const [i, port] of ports.entries()) checkPort(errors, at.child('ports').index(i), port);
    for (const [i, peer] of peers.entries()) checkPeer(errors, at.child(side).index(i), peer, known);
  };
  for (const [i, rule] of (spec.ingress ?? []).entries())
    checkRule(SPEC.child('ingress').index(i), rule.ports, 'from', rule.from);
  for (const [i, rule] of (spec.egress ?? []).entries())
    checkRule(SPEC.child('egress').index(i), rule.ports, 'to', rule.to);
  const types = spec.policyTypes ?? [];
  const at = SPEC.child('policyTypes');
  if (types.length > 2) return [...errors, invalidError(at, types, 'may not specify more than two policyTypes')];
  for (const [i, type] of types.entries()) {
    if (type !== 'Ingress' && type !== 'Egress')
      errors.push(notSupportedError(at.index(i), type, ['Ingress', 'Egress']));
  }
  return errors;
}

function checkPort(errors: FieldError[], path: FieldPath, port: NetworkPolicyPort): void {
  const protocols = ['TCP', 'UDP', 'SCTP'];
  if (port.protocol !== undefined && !protocols.includes(port.protocol)) {
    errors.push(notSupportedError(path.child('protocol'), port.protocol, protocols));
  }
  if (typeof port.port === 'number') {
    checkShape(errors, path.child('port'), port.port, portNumber);
    if (port.endPort !== undefined) {
      if (port.endPort < port.port)
        errors.push(invalidError(path.child('endPort'), port.endPort, 'must be greater than or equal to `port`'));
      checkShape(errors, path.child('endPort'), port.endPort, portNumber);
    }
  } else if (port.endPort !== undefined) {
    const why =
      port.port === undefined
        ? 'may not be specified when `port` is not specified'
        : 'may not be specified when `port` is non-numeric';
    errors.push(invalidError(path.child('endPort'), port.endPort, why));
  }
  if (typeof port.port === 'string') checkShape(errors, path.child('port'), port.port, portName);
}

function checkPeer(errors: FieldError[], path: FieldPath, peer: NetworkPolicyPeer, known: ReadonlySet<string>): void {
  errors.push(...validateLabelSelector(peer.podSelector, path.child('podSelector')));
  errors.push(...validateLabelSelector(peer.namespaceSelector, path.child('namespaceSelector')));
  const { ipBlock } = peer;
  if (ipBlock === undefined) {
    if (peer.podSelector === undefined && peer.namespaceSelector === undefined)
      errors.push(requiredError(path, 'must specify a peer'));
    return;
  }
  if (peer.podSelector !== undefined || peer.namespaceSelector !== undefined) {
    errors.push(forbiddenError(path, 'may not specify both ipBlock and another peer'));
  }
  checkBlock(errors, path.child('ipBlock'), ipBlock, known);
}

/** @param known networks of the stored policy: what is there may stay, whatever its form */
function checkBlock(errors: FieldError[], path: FieldPath, block: IPBlock, known: ReadonlySet<string>): void {
  const shape = (text: string): string[] => (known.has(text) ? cidr(text) : strictCidr(text));
  if (!block.cidr) {
    errors.push(requiredError(path.child('cidr')));
    return;
  }
  checkShape(errors, path.child('cidr'), block.cidr, shape);
  if (cidr(block.cidr).length > 0) return;
  for (const [i, except] of (block.except ?? []).entries()) {
    const at = path.child('except').index(i);
    checkShape(errors, at, except, shape);
    if (cidr(except).length === 0 && !isStrictSubnet(except, block.cidr))
      errors.push(invalidError(at, except, 'must be a strict subset of `cidr`'));
  }
}

function networksOf({ ingress = [], egress = [] }: NetworkPolicySpec): Set<string> {
  const peers = [...ingress.flatMap(rule => rule.from ?? []), ...egress.flatMap(rule => rule.to ?? [])];
  return new Set(
    peers.flatMap(({ ipBlock: block }) => (block === undefined ? [] : [block.cidr, ...(block.except ?? [])])),
  );
}
