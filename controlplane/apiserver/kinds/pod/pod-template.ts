/**
 * Defaults and validation of pod templates inside workloads. Source: Kubernetes `pkg/apis/core`, 1.36.
 */
import {
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import {
  compileLabelSelector,
  selectorFromSet,
  validateLabelSelector,
} from '../../../../machinery/meta/label-selector.ts';
import type { LabelSelector } from '../../../../proto/api/meta-v1.ts';
import type { PodTemplateSpec } from '../../../../proto/api/core-v1.ts';
import { validateAnnotations, validateLabels } from '../../../../machinery/meta/object-meta-validation.ts';
import { defaultPodSpec } from '../../../../machinery/pods/default-pod-spec.ts';
import { checkPodAnnotations, checkProfilesAgree } from '../../../../machinery/pods/validate-pod-annotations.ts';
import { checkPodSpec } from '../../../../machinery/pods/validate-pod-spec.ts';

export function defaultPodTemplate(template: PodTemplateSpec | undefined): void {
  if (template?.spec !== undefined) defaultPodSpec(template.spec);
}

export function checkPodTemplate(errors: FieldError[], path: FieldPath, template: PodTemplateSpec | undefined): void {
  if (template?.spec === undefined) {
    errors.push(requiredError(path.child('spec', 'containers')));
    return;
  }
  // The paths leave `metadata` out, as upstream's do.
  errors.push(...validateLabels(template.metadata?.labels, path.child('labels')));
  errors.push(...validateAnnotations(template.metadata?.annotations, path.child('annotations')));
  checkPodAnnotations(errors, path.child('annotations'), template.metadata?.annotations, template.spec);
  checkPodSpec(errors, path.child('spec'), template.spec, undefined);
  checkProfilesAgree(errors, path.child('spec'), template.metadata ?? {}, template.spec);
  if ((template.spec.ephemeralContainers ?? []).length > 0) {
    errors.push(
      forbiddenError(path.child('spec', 'ephemeralContainers'), 'ephemeral containers not allowed in pod template'),
    );
  }
}

/** A template whose pods are restarted for ever. @param kind of the owner, for the text */
export function checkAlwaysRestarts(
  errors: FieldError[],
  path: FieldPath,
  template: PodTemplateSpec | undefined,
  kind = 'ReplicaSet',
): void {
  const spec = template?.spec;
  if (spec === undefined) return;
  if (spec.restartPolicy !== 'Always') {
    errors.push(notSupportedError(path.child('spec', 'restartPolicy'), spec.restartPolicy ?? '', ['Always']));
  }
  if (spec.activeDeadlineSeconds !== undefined) {
    errors.push(
      forbiddenError(path.child('spec', 'activeDeadlineSeconds'), `activeDeadlineSeconds in ${kind} is not Supported`),
    );
  }
}

/**
 * A selector that is there, selects something, and selects the template's own pods. Which of it is said of a selector that is missing or
 * wrong differs between the kinds, as it does upstream.
 */
export function checkSelectsTemplate(
  errors: FieldError[],
  path: FieldPath,
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  what: 'deployment' | 'daemonset' | 'statefulset',
): void {
  const at = path.child('selector');
  if (selector === undefined) {
    if (what !== 'daemonset') errors.push(requiredError(at));
  } else {
    const problems = validateLabelSelector(selector, at);
    errors.push(...problems);
    if (problems.length > 0) {
      if (what !== 'daemonset')
        errors.push(invalidError(at, selector, what === 'statefulset' ? '' : 'invalid label selector'));
      return;
    }
  }
  const compiled = selector === undefined ? undefined : compileLabelSelector(selector);
  if (compiled?.isEmpty === true) errors.push(invalidError(at, selector, `empty selector is invalid for ${what}`));
  // No selector at all selects nothing.
  if (compiled?.matches(template?.metadata?.labels) !== true) {
    const labels = template?.metadata?.labels ?? {};
    errors.push(
      invalidError(path.child('template', 'metadata', 'labels'), labels, '`selector` does not match template `labels`'),
    );
  }
}

/** The label selector as `scale` shows it. */
export function selectorText(selector: LabelSelector | undefined): string {
  return selector === undefined ? '' : compileLabelSelector(selector).toString();
}

/** The same for kinds that select by a plain set of labels. */
export function setSelectorText(labels: Readonly<Record<string, string>> | undefined): string {
  return labels === undefined ? '' : selectorFromSet(labels).toString();
}
