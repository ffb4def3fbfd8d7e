/**
 * Events of the group events.k8s.io: the same objects as core Events with other field names.
 * Source: Kubernetes `pkg/apis/events/v1/conversion.go`, 1.36.
 */
import type { Event as CoreEvent } from '../../../../proto/api/core-v1.ts';
import type { Event } from '../../../../proto/api/events-v1.ts';
import type { AnyObject } from '../../../../machinery/client/resource.ts';
import type { Conversion } from '../../registry/served-resource.ts';

/** The core form of an events.k8s.io Event. */
export function toCoreEvent(event: Event): CoreEvent {
  const {
    regarding = {},
    note,
    reportingController,
    deprecatedSource,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedCount,
    apiVersion: _apiVersion,
    series,
    ...same
  } = event;
  return {
    ...same,
    apiVersion: 'v1',
    kind: 'Event',
    involvedObject: regarding,
    ...(note === undefined ? {} : { message: note }),
    ...(reportingController === undefined ? {} : { reportingComponent: reportingController }),
    ...(deprecatedSource === undefined ? {} : { source: deprecatedSource }),
    ...(deprecatedFirstTimestamp === undefined ? {} : { firstTimestamp: deprecatedFirstTimestamp }),
    ...(deprecatedLastTimestamp === undefined ? {} : { lastTimestamp: deprecatedLastTimestamp }),
    ...(deprecatedCount === undefined ? {} : { count: deprecatedCount }),
    ...(series === undefined ? {} : { series }),
  };
}

/** The events.k8s.io form of a core Event. */
export function fromCoreEvent(event: CoreEvent): Event {
  const {
    involvedObject,
    message,
    reportingComponent,
    source,
    firstTimestamp,
    lastTimestamp,
    count,
    apiVersion: _apiVersion,
    series,
    eventTime,
    ...same
  } = event;
  const core: Partial<Event> = {
    ...(message === undefined ? {} : { note: message }),
    ...(reportingComponent === undefined ? {} : { reportingController: reportingComponent }),
    ...(source === undefined ? {} : { deprecatedSource: source }),
    ...(firstTimestamp === undefined ? {} : { deprecatedFirstTimestamp: firstTimestamp }),
    ...(lastTimestamp === undefined ? {} : { deprecatedLastTimestamp: lastTimestamp }),
    ...(count === undefined ? {} : { deprecatedCount: count }),
    ...(eventTime === undefined ? {} : { eventTime }),
    ...(series === undefined
      ? {}
      : { series: { count: series.count ?? 0, lastObservedTime: series.lastObservedTime ?? '' } }),
  };
  return { ...same, ...core, apiVersion: 'events.k8s.io/v1', kind: 'Event', regarding: involvedObject } as Event;
}

/** Both directions, as the registry takes them. */
export const eventConversion: Conversion = {
  toStorage: object => toCoreEvent(object as unknown as Event) as AnyObject,
  fromStorage: object => fromCoreEvent(object as unknown as CoreEvent) as AnyObject,
  fields: [
    'reason',
    'regarding.apiVersion',
    'regarding.fieldPath',
    'regarding.kind',
    'regarding.name',
    'regarding.namespace',
    'regarding.resourceVersion',
    'regarding.uid',
    'reportingController',
    'type',
  ],
};
