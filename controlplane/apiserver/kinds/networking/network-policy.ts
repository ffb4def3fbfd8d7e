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
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../../../proto/api/networking-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkShape } from '../validation/checks.ts';
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
  validate({ spec }) {
    const errors: FieldError[] = [];
    errors.push(...validateLabelSelector(spec.podSelector, SPEC.child('podSelector')));
    for (const [i, rule] of (spec.ingress ?? []).entries()) {
      const at = SPEC.child('ingress').index(i);
      for (const [j, port] of (rule.ports ?? []).entries()) checkPort(errors, at.child('ports').index(j), port);
      for (const [j, peer] of (rule.from ?? []).entries()) checkPeer(errors, at.child('from').index(j), peer);
    }
    for (const [i, rule] of (spec.egress ?? []).entries()) {
      const at = SPEC.child('egress').index(i);
      for (const [j, port] of (rule.ports ?? []).entries()) checkPort(errors, at.child('ports').index(j), port);
      for (const [j, peer] of (rule.to ?? []).entries()) checkPeer(errors, at.child('to').index(j), peer);
    }
    const types = spec.policyTypes ?? [];
    if (types.length > 2)
      errors.push(invalidError(SPEC.child('policyTypes'), types, 'may not specify more than two policyTypes'));
    for (const [i, type] of types.entries()) {
      if (type !== 'Ingress' && type !== 'Egress') {
        errors.push(notSupportedError(SPEC.child('policyTypes').index(i), type, ['Ingress', 'Egress']));
      }
    }
    return errors;
  },
};

function checkPort(errors: FieldError[], path: FieldPath, port: NetworkPolicyPort): void {
  const protocols = ['SCTP', 'TCP', 'UDP'];
  if (port.protocol !== undefined && !protocols.includes(port.protocol)) {
    errors.push(notSupportedError(path.child('protocol'), port.protocol, protocols));
  }
  if (typeof port.port === 'number') {
    checkShape(errors, path.child('port'), port.port, portNumber);
    if (port.endPort !== undefined) {
      if (port.endPort < port.port)
        errors.push(invalidError(path.child('endPort'), port.port, 'must be greater than or equal to `port`'));
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

function checkPeer(errors: FieldError[], path: FieldPath, peer: NetworkPolicyPeer): void {
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
  const at = path.child('ipBlock');
  if (!ipBlock.cidr) errors.push(requiredError(at.child('cidr')));
  else checkShape(errors, at.child('cidr'), ipBlock.cidr, cidr);
  for (const [i, except] of (ipBlock.except ?? []).entries())
    checkShape(errors, at.child('except').index(i), except, cidr);
}
