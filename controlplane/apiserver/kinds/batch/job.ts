/** Jobs. Source: Kubernetes `pkg/apis/batch`, `pkg/registry/batch/job` and `pkg/printers`, 1.36. */
import { invalidError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { deepCopy } from '../../../../machinery/meta/json-value.ts';
import { compileLabelSelector, validateLabelSelector } from '../../../../machinery/meta/label-selector.ts';
import { dns1123Label } from '../../../../machinery/meta/names.ts';
import { isConditionTrue } from '../../../../machinery/meta/object.ts';
import type { Job, JobSpec } from '../../../../proto/api/batch-v1.ts';
import type { Container, PodTemplateSpec } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { humanDuration } from '../columns/age.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { defaultPodTemplate } from '../pod/pod-template.ts';
import { checkImmutable } from '../../../../machinery/validation/checks.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { containerColumns, selectorColumn } from '../workload/workload-columns.ts';
import { checkJobSpec } from './job-spec.ts';
import { jobStatusErrors } from './job-status.ts';

const SPEC = FieldPath.of('spec');
const [UID, NAME, OLD_UID, OLD_NAME] = [
  'batch.kubernetes.io/controller-uid',
  'batch.kubernetes.io/job-name',
  'controller-uid',
  'job-name',
] as const;

export const jobStrategy: Strategy<Job> = {
  info: kindInfo('batch', 'Job'),
  tracksGeneration: true,
  defaultGarbageCollection: 'OrphanDependents',
  columns: [
    nameColumn,
    column('Status', 'How far the job is.', statusOf),
    column('Completions', 'Pods that succeeded, of those wanted.', completionsOf),
    column('Duration', 'Time that the job took or has been running.', (job, nowMs) => {
      const start = Date.parse(job.status?.startTime ?? '');
      if (Number.isNaN(start)) return '';
      const end = Date.parse(job.status?.completionTime ?? '');
      return humanDuration((Number.isNaN(end) ? nowMs : end) - start);
    }),
    ageColumn,
    ...containerColumns<Job>(job => job.spec.template),
    selectorColumn<Job>(job => job.spec.selector),
  ],
  allowUnconditionalUpdate: true,
  selectableFields: job => ({ 'status.successful': String(job.status?.succeeded ?? 0) }),
  default(job) {
    const { spec } = job;
    if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = spec.parallelism = 1;
    spec.parallelism ??= 1;
    spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2147483647;
    spec.completionMode ??= 'NonIndexed';
    spec.suspend ??= false;
    spec.manualSelector ??= false;
    spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed';
    defaultJobTemplate(spec);
  },
  prepareForCreate(job) {
    job.status = {};
    if (job.spec.manualSelector !== true) generateSelector(job);
    inheritLabels(job);
  },
  prepareForUpdate(job, older) {
    job.status = older.status;
    inheritLabels(job);
  },
  validate(job) {
    const errors: FieldError[] = [];
    const { metadata, spec } = job;
    if (spec.manualSelector !== true) checkGeneratedLabels(errors, job);
    checkJobSpec(errors, SPEC, spec);
    checkSelector(errors, spec);
    const last =
      spec.completionMode === 'Indexed' && (spec.completions ?? 0) > 0 ? (spec.completions ?? 0) - 1 : undefined;
    const hostname = `${metadata.name ?? ''}-${last ?? 0}`;
    if (last !== undefined && dns1123Label(hostname).length > 0) {
      const why = `will not able to create pod with invalid DNS label: ${hostname}`;
      errors.push(invalidError('metadata.name', metadata.name ?? '', why));
    }
    return errors;
  },
  validateUpdate({ spec }, { spec: older, status }) {
    const errors: FieldError[] = [];
    checkCompletionsKept(errors, spec, older);
    checkImmutable(errors, SPEC.child('selector'), spec.selector, older.selector);
    // Where pods may run can change as long as none has started.
    const isOpen = older.suspend === true && status?.startTime === undefined;
    let was = isOpen ? withDirectives(older.template, spec.template) : older.template;
    // What pods ask for can change while there are none.
    if (older.suspend === true && (status?.active ?? 0) === 0) was = withResources(was, spec.template);
    checkImmutable(errors, SPEC.child('template'), spec.template, was);
    for (const field of [
      'completionMode',
      'podFailurePolicy',
      'backoffLimitPerIndex',
      'managedBy',
      'successPolicy',
    ] as const)
      checkImmutable(errors, SPEC.child(field), spec[field], older[field]);
    return errors;
  },
  warnings({ metadata, spec }, older) {
    const warnings: string[] = older === undefined ? nameWarnings(metadata.name ?? '') : [];
    if (spec.completionMode === 'Indexed' && (spec.completions ?? 0) > 100_000 && (spec.parallelism ?? 0) > 10_000) {
      warnings.push(
        'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail',
      );
    }
    return warnings;
  },
  status: { prepareForUpdate: keepSpec, validateUpdate: jobStatusErrors },
};

/** What upstream says of names that cannot stand in a pod's hostname; also of CronJobs. */
export function nameWarnings(name: string): string[] {
  const problems = dns1123Label(name);
  if (problems.length === 0) return [];
  const why = 'this is used in Pod names and hostnames, which can result in surprising behavior';
  return [`metadata.name: ${why}; a DNS label is recommended: [${problems.join(' ')}]`];
}

/** What is filled in also inside CronJobs; the numbers are not. */
export function defaultJobTemplate(spec: JobSpec): void {
  for (const rule of spec.podFailurePolicy?.rules ?? [])
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True';
  defaultPodTemplate(spec.template);
}

/** A job's pods carry its uid, so that no two jobs share any. What the author wrote stays, and is refused where it is wrong. */
function generateSelector({ metadata: { uid = '', name = '' }, spec }: Job): void {
  spec.template ??= {} as PodTemplateSpec;
  const metadata = (spec.template.metadata ??= {});
  metadata.labels = { [OLD_NAME]: name, [OLD_UID]: uid, [NAME]: name, [UID]: uid, ...metadata.labels };
  const selector = (spec.selector ??= {});
  selector.matchLabels = { [UID]: uid, ...selector.matchLabels };
}

/** A job without labels has those of its pods. */
function inheritLabels({ metadata, spec }: Job): void {
  const { labels } = spec.template?.metadata ?? {};
  if (labels !== undefined && Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels };
}

function checkGeneratedLabels(errors: FieldError[], { metadata, spec }: Job): void {
  const { uid = '', name = '' } = metadata;
  if (uid === '' || spec.selector === undefined) return;
  const labels = spec.template?.metadata?.labels ?? {};
  const wanted = { [OLD_UID]: uid, [OLD_NAME]: name, [UID]: uid, [NAME]: name };
  for (const [key, value] of Object.entries(wanted)) {
    const at = SPEC.child('template', 'metadata', 'labels').key(key);
    if (labels[key] === undefined) errors.push(requiredError(at, `must be '${value}'`));
    else if (labels[key] !== value) errors.push(invalidError(at, labels, `must be '${value}'`));
  }
  const problems = validateLabelSelector(spec.selector, SPEC);
  if (problems.length === 0 && !compileLabelSelector(spec.selector).matches(wanted))
    errors.push(invalidError(SPEC.child('selector'), spec.selector, '`selector` not auto-generated'));
}

/** Made or given, it must select the job's own pods; one that is not there selects none. */
function checkSelector(errors: FieldError[], { selector, template }: JobSpec): void {
  if (selector === undefined) errors.push(requiredError(SPEC.child('selector')));
  const problems = selector === undefined ? [] : validateLabelSelector(selector, SPEC.child('selector'));
  errors.push(...problems);
  const labels = template?.metadata?.labels;
  if (problems.length > 0 || (selector !== undefined && compileLabelSelector(selector).matches(labels))) return;
  const at = SPEC.child('template', 'metadata', 'labels');
  errors.push(invalidError(at, labels ?? {}, '`selector` does not match template `labels`'));
}

/** An indexed job may grow and shrink, together with its parallelism. */
function checkCompletionsKept(errors: FieldError[], spec: JobSpec, older: JobSpec): void {
  const at = SPEC.child('completions');
  if (spec.completionMode !== 'Indexed') checkImmutable(errors, at, spec.completions, older.completions);
  else if (
    spec.completions !== older.completions &&
    spec.completions !== undefined &&
    spec.completions !== spec.parallelism
  )
    errors.push(invalidError(at, spec.completions, 'can only be modified in tandem with spec.parallelism'));
}

/** `template` with the scheduling directives of `from`. */
function withDirectives(template: PodTemplateSpec, from: PodTemplateSpec): PodTemplateSpec {
  const next = deepCopy(template);
  const [spec, given] = [next.spec, from.spec];
  if (spec === undefined || given === undefined) return next;
  const mine: Record<string, unknown> = { ...spec };
  for (const field of ['nodeSelector', 'tolerations', 'schedulingGates'] as const) {
    if (given[field] === undefined) delete mine[field];
    else mine[field] = given[field];
  }
  const { nodeAffinity: _, ...others } = spec.affinity ?? {};
  const affinity = {
    ...others,
    ...(given.affinity?.nodeAffinity === undefined ? {} : { nodeAffinity: given.affinity.nodeAffinity }),
  };
  if (given.affinity === undefined && Object.keys(affinity).length === 0) delete mine['affinity'];
  else mine['affinity'] = affinity;
  const metadata = { ...next.metadata, annotations: from.metadata?.annotations, labels: from.metadata?.labels };
  return { ...next, metadata, spec: mine as unknown as PodTemplateSpec['spec'] };
}

function statusOf(job: Job): string {
  const conditions = job.status?.conditions;
  if (isConditionTrue(conditions, 'Complete')) return 'Complete';
  if (isConditionTrue(conditions, 'Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating';
  if (isConditionTrue(conditions, 'Suspended')) return 'Suspended';
  if (isConditionTrue(conditions, 'FailureTarget')) return 'FailureTarget';
  return isConditionTrue(conditions, 'SuccessCriteriaMet') ? 'SuccessCriteriaMet' : 'Running';
}

function completionsOf(job: Job): string {
  const done = job.status?.succeeded ?? 0;
  if (job.spec.completions !== undefined) return `${done}/${job.spec.completions}`;
  const parallelism = job.spec.parallelism ?? 0;
  return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`;
}

/** `template` with what containers of the same name ask for in `from`, but for claims. */
function withResources(template: PodTemplateSpec, from: PodTemplateSpec): PodTemplateSpec {
  const { spec } = template;
  if (spec === undefined || from.spec === undefined) return template;
  const given = [...from.spec.containers, ...(from.spec.initContainers ?? [])];
  const take = (container: Container): Container => {
    const other = given.find(({ name }) => name === container.name);
    if (other === undefined) return container;
    const { resources, ...rest } = container;
    const claims = resources?.claims === undefined ? {} : { claims: resources.claims };
    const { claims: _, ...wanted } = other.resources ?? {};
    const isNone = other.resources === undefined && resources?.claims === undefined;
    return isNone ? rest : { ...rest, resources: { ...wanted, ...claims } };
  };
  const inits = spec.initContainers === undefined ? {} : { initContainers: spec.initContainers.map(take) };
  return { ...template, spec: { ...spec, containers: spec.containers.map(take), ...inits } };
}
