/**
 * Events, which are stored as core/v1 whichever of the two groups they come through.
 * Source: Kubernetes `pkg/registry/core/event` and `pkg/printers`, 1.36.
 */
import type { Event } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageOf, humanDuration } from '../columns/age.ts';
import { column, nameColumn, wide } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { isBlank } from '../../../../machinery/validation/checks.ts';
import { validateEvent, validateNewSeriesEvent, validateSeriesEventUpdate } from './validate-event.ts';

/** Events are forgotten after an hour. */
const TTL_SECONDS = 3600;

export const eventStrategy: Strategy<Event> = {
  info: kindInfo('', 'Event'),
  tracksGeneration: false,
  columns: [
    column('Last Seen', 'Time since the event happened last.', (event, nowMs) => lastSeen(event, nowMs)),
    column('Type', 'Normal or Warning.', event => event.type ?? ''),
    column('Reason', 'One word for what happened.', event => event.reason ?? ''),
    column('Object', 'What it happened to.', event => {
      const { kind = '', name = '' } = event.involvedObject ?? {};
      return `${kind.toLowerCase()}/${name}`;
    }),
    wide('Subobject', 'Part of the object.', event => event.involvedObject?.fieldPath ?? ''),
    wide('Source', 'Who reports the event.', sourceOf),
    column('Message', 'What happened, for people.', event => (event.message ?? '').trim()),
    wide('First Seen', 'Time since the event happened first.', (event, nowMs) => firstSeen(event, nowMs)),
    wide('Count', 'How often it happened.', event => event.series?.count ?? (event.count || 1)),
    { ...nameColumn, priority: 1 },
  ],
  allowUnconditionalUpdate: true,
  allowCreateOnUpdate: true,
  ttlSeconds: () => TTL_SECONDS,
  selectableFields: event => ({
    'involvedObject.kind': event.involvedObject?.kind ?? '',
    'involvedObject.namespace': event.involvedObject?.namespace ?? '',
    'involvedObject.name': event.involvedObject?.name ?? '',
    'involvedObject.uid': event.involvedObject?.uid ?? '',
    'involvedObject.apiVersion': event.involvedObject?.apiVersion ?? '',
    'involvedObject.resourceVersion': event.involvedObject?.resourceVersion ?? '',
    'involvedObject.fieldPath': event.involvedObject?.fieldPath ?? '',
    reason: event.reason ?? '',
    reportingComponent: event.reportingComponent ?? '',
    source: event.source?.component || (event.reportingComponent ?? ''),
    type: event.type ?? '',
  }),
  validate: validateEvent,
};

/** The same for requests of events.k8s.io, which is strict about what the older group lets pass. */
export const seriesEventStrategy: Strategy<Event> = {
  ...eventStrategy,
  validateCreate: validateNewSeriesEvent,
  validateUpdate: validateSeriesEventUpdate,
};

function sourceOf(event: Event): string {
  const { component = '', host = '' } = event.source ?? {};
  const parts =
    component === '' && host === '' ? [event.reportingComponent, event.reportingInstance] : [component, host];
  return parts.filter(part => !isBlank(part)).join(', ');
}

function firstSeen(event: Event, nowMs: number): string {
  return ageOf(event.firstTimestamp ?? event.eventTime, nowMs);
}

function lastSeen(event: Event, nowMs: number): string {
  const first = firstSeen(event, nowMs);
  let last = event.lastTimestamp === undefined ? first : ageOf(event.lastTimestamp, nowMs);
  let count = event.count ?? 0;
  if (event.series !== undefined) {
    count = event.series.count ?? 0;
    const at = Date.parse(event.series.lastObservedTime ?? '');
    if (!Number.isNaN(at)) last = humanDuration(nowMs - at);
  }
  return count > 1 ? `${last} (x${count} over ${first})` : last;
}
