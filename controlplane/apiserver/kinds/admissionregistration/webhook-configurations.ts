/**
 * MutatingWebhookConfigurations and ValidatingWebhookConfigurations.
 * Source: Kubernetes `pkg/apis/admissionregistration` (validation, v1 defaults), 1.36.
 */
import {
  duplicateError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { validateLabelSelector } from '../../../../machinery/meta/label-selector.ts';
import { dns1035Label } from '../../../../machinery/meta/names.ts';
import { fullyQualifiedName } from '../../../../machinery/meta/value-shapes.ts';
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from '../../../../proto/api/admissionregistration-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkMatchConditions } from './expressions.ts';
import { checkRule, MATCH_POLICIES } from './match-rules.ts';
import { checkWebhookClient } from './webhook-client.ts';

const WEBHOOKS = FieldPath.of('webhooks');
const SIDE_EFFECTS = ['None', 'NoneOnDryRun'];
const REVIEW_VERSIONS = ['v1', 'v1beta1'];

export const mutatingWebhookConfigurationStrategy = configurations<MutatingWebhookConfiguration>(
  'MutatingWebhookConfiguration',
  webhook => {
    webhook.reinvocationPolicy ??= 'Never';
  },
);
export const validatingWebhookConfigurationStrategy = configurations<ValidatingWebhookConfiguration>(
  'ValidatingWebhookConfiguration',
  () => {},
);

function configurations<T extends MutatingWebhookConfiguration | ValidatingWebhookConfiguration>(
  kind: string,
  defaultMore: (webhook: MutatingWebhook) => void,
): Strategy<T> {
  return {
    info: kindInfo('admissionregistration.k8s.io', kind),
    tracksGeneration: true,
    columns: [
      nameColumn,
      column('Webhooks', 'Number of webhooks.', object => object.webhooks?.length ?? 0, 'integer'),
      ageColumn,
    ],
    allowUnconditionalUpdate: false,
    default(object) {
      for (const webhook of object.webhooks ?? []) {
        defaultWebhook(webhook);
        defaultMore(webhook);
      }
    },
    validate(object) {
      const errors: FieldError[] = [];
      const names = new Set<string>();
      for (const [i, webhook] of (object.webhooks ?? []).entries()) {
        const at = WEBHOOKS.index(i);
        checkWebhook(errors, at, webhook);
        checkReviewVersions(errors, at.child('admissionReviewVersions'), webhook.admissionReviewVersions);
        if (isBlank(webhook.name)) continue;
        if (names.has(webhook.name)) errors.push(duplicateError(at.child('name'), webhook.name));
        names.add(webhook.name);
      }
      return errors;
    },
  };
}

function defaultWebhook(webhook: MutatingWebhook | ValidatingWebhook): void {
  webhook.failurePolicy ??= 'Fail';
  webhook.matchPolicy ??= 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= 10;
  if (webhook.clientConfig?.service !== undefined) webhook.clientConfig.service.port ??= 443;
  for (const rule of webhook.rules ?? []) rule.scope ??= '*';
}

function checkWebhook(errors: FieldError[], path: FieldPath, webhook: MutatingWebhook | ValidatingWebhook): void {
  if (isBlank(webhook.name)) errors.push(requiredError(path.child('name')));
  else checkShape(errors, path.child('name'), webhook.name, fullyQualifiedName);
  for (const [i, rule] of (webhook.rules ?? []).entries()) checkRule(errors, path.child('rules').index(i), rule);
  checkEnum(errors, path.child('failurePolicy'), webhook.failurePolicy, ['Fail', 'Ignore'], 'unsupported');
  checkEnum(errors, path.child('matchPolicy'), webhook.matchPolicy, MATCH_POLICIES, 'unsupported');
  const effects = webhook.sideEffects;
  const at = path.child('sideEffects');
  if (effects === undefined) errors.push(requiredError(at, `must specify one of ${SIDE_EFFECTS.join(', ')}`));
  else if (!SIDE_EFFECTS.includes(effects)) errors.push(notSupportedError(at, effects, SIDE_EFFECTS));
  const seconds = webhook.timeoutSeconds;
  if (seconds !== undefined && (seconds < 1 || seconds > 30)) {
    const why = 'the timeout value must be between 1 and 30 seconds';
    errors.push(invalidError(path.child('timeoutSeconds'), seconds, why));
  }
  errors.push(...validateLabelSelector(webhook.namespaceSelector, path.child('namespaceSelector')));
  errors.push(...validateLabelSelector(webhook.objectSelector, path.child('objectSelector')));
  const { reinvocationPolicy } = webhook as MutatingWebhook;
  checkEnum(errors, path.child('reinvocationPolicy'), reinvocationPolicy, ['IfNeeded', 'Never'], 'allowed');
  checkWebhookClient(errors, path.child('clientConfig'), webhook.clientConfig);
  checkMatchConditions(errors, path.child('matchConditions'), webhook.matchConditions);
}

function checkReviewVersions(errors: FieldError[], path: FieldPath, versions: readonly string[] = []): void {
  if (versions.length === 0) {
    errors.push(requiredError(path, `must specify one of ${REVIEW_VERSIONS.join(', ')}`));
    return;
  }
  for (const [i, version] of versions.entries()) {
    if (versions.indexOf(version) < i) errors.push(invalidError(path.index(i), version, 'duplicate version'));
    else checkShape(errors, path.index(i), version, dns1035Label);
  }
  if (!versions.some(version => REVIEW_VERSIONS.includes(version)))
    errors.push(invalidError(path, versions, `must include at least one of ${REVIEW_VERSIONS.join(', ')}`));
}
