/** Defaults of admission webhooks. Source: Kubernetes `pkg/apis/admissionregistration/v1/defaults.go`, 1.36. */
import type { MutatingWebhook, ValidatingWebhook } from '../../../../proto/api/admissionregistration-v1.ts';

export function defaultWebhook(webhook: MutatingWebhook | ValidatingWebhook, mutating: boolean): void {
  webhook.failurePolicy ??= 'Fail';
  webhook.matchPolicy ??= 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= 10;
  if (webhook.clientConfig?.service !== undefined) webhook.clientConfig.service.port ??= 443;
  for (const rule of webhook.rules ?? []) rule.scope ??= '*';
  if (mutating) (webhook as MutatingWebhook).reinvocationPolicy ??= 'Never';
}
