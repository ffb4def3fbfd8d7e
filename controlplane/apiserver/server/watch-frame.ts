/**
 * One event of a watch as bytes: the cache's shared frame unless the client asked for another form or version.
 */
import type { WatchEvent } from '../storage/storage.ts';
import type { WatchResponse } from './request.ts';

export function watchFrame(watch: WatchResponse, event: WatchEvent): Buffer {
  if (watch.encode !== undefined) return watch.encode(event);
  if (watch.convert === undefined || watch.form !== undefined) return event.frame(watch.form);
  return eventFrame(event.type, watch.convert(event.object));
}

/** `{"type":...,"object":...}\n` */
export function eventFrame(type: string, object: unknown): Buffer {
  return Buffer.from(`{"type":"${type}","object":${JSON.stringify(object)}}\n`);
}
