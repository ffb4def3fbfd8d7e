/**
 * Validation of events: what every event must satisfy, and what those of events.k8s.io must on top.
 * Source: Kubernetes `pkg/apis/core/validation/events.go`, 1.36.
 */
import { invalidError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Subdomain, qualifiedName } from '../../../../machinery/meta/names.ts';
import type { Event } from '../../../../proto/api/core-v1.ts';
import { checkImmutable, checkShape } from '../../../../machinery/validation/checks.ts';

const MAX_CHARACTERS = 128;
const MAX_NOTE = 1024;
const UNSET = ['firstTimestamp', 'lastTimestamp', 'count', 'source'] as const;
/** Differs: the text may be changed, which upstream allowed until 1.20 and its suite of that version asks for. */
const IMMUTABLE = [
  'involvedObject',
  'reason',
  'source',
  'firstTimestamp',
  'lastTimestamp',
  'count',
  'reason',
  'type',
  'eventTime',
  'action',
  'related',
  'reportingController',
  'reportingInstance',
] as const;

/** Those with an eventTime are of the newer form, whichever group they come through. */
export function validateEvent(event: Event): FieldError[] {
  const errors: FieldError[] = [];
  const { namespace = '' } = event.metadata;
  const involved = event.involvedObject?.namespace ?? '';
  const newer = hasTime(event.eventTime);
  // Events about objects without a namespace live in `default`.
  const good =
    involved === ''
      ? namespace === 'default' || (newer && namespace === 'kube-system')
      : newer || involved === namespace;
  if (!good)
    errors.push(invalidError(FieldPath.of('involvedObject', 'namespace'), involved, 'does not match event.namespace'));
  if (newer) checkNewer(errors, event);
  checkShape(errors, FieldPath.of('namespace'), namespace, dns1123Subdomain);
  return errors;
}

export function validateNewSeriesEvent(event: Event): FieldError[] {
  const errors: FieldError[] = [];
  checkSeries(errors, event);
  if (!hasTime(event.eventTime)) errors.push(requiredError('eventTime'));
  const { type = '' } = event;
  if (type !== 'Normal' && type !== 'Warning') errors.push(invalidError('type', '', `has invalid value: ${type}`));
  for (const field of UNSET) if (isSet(event[field])) errors.push(invalidError(field, '', 'needs to be unset'));
  return errors;
}

export function validateSeriesEventUpdate(event: Event, older: Event): FieldError[] {
  const errors: FieldError[] = [];
  if (JSON.stringify(event.series) !== JSON.stringify(older.series)) checkSeries(errors, event);
  for (const field of IMMUTABLE) {
    const stored = field === 'reportingController' ? 'reportingComponent' : field;
    const [now, was] = [event[stored], older[stored]].map(value => (isSet(value) ? value : undefined));
    checkImmutable(errors, FieldPath.of(field), now, was);
  }
  return errors;
}

function checkNewer(errors: FieldError[], event: Event): void {
  const controller = event.reportingComponent ?? '';
  if (controller === '') errors.push(requiredError('reportingController'));
  checkShape(errors, FieldPath.of('reportingController'), controller, qualifiedName);
  for (const field of ['reportingInstance', 'action', 'reason'] as const) {
    const value = event[field] ?? '';
    if (value === '') errors.push(requiredError(field));
    if (value.length > MAX_CHARACTERS) errors.push(invalidError(field, '', atMost(MAX_CHARACTERS)));
  }
  if ((event.message ?? '').length > MAX_NOTE) errors.push(invalidError('message', '', atMost(MAX_NOTE)));
}

function checkSeries(errors: FieldError[], { series }: Event): void {
  if (series === undefined) return;
  if ((series.count ?? 0) < 2) errors.push(invalidError('series.count', '', 'should be at least 2'));
  if (!hasTime(series.lastObservedTime)) errors.push(requiredError('series.lastObservedTime'));
}

function atMost(characters: number): string {
  return `can have at most ${characters} characters`;
}

function hasTime(time: string | null | undefined): boolean {
  return time !== undefined && time !== null && time !== '';
}

/** Empty values are as good as none. */
function isSet(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === 0) return false;
  return typeof value !== 'object' || Object.values(value).some(isSet);
}
