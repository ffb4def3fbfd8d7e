/**
 * Tells of each service what cannot be brought into effect: once in the log and as an Event that `kubectl describe service` shows, and again
 * only when it is something else. What is mended is told in the log.
 */
import type { EventSink } from '../../machinery/client/event-recorder.ts';
import { subjectOf } from '../../machinery/client/event-recorder.ts';
import { services } from '../../machinery/client/resource.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { Service } from '../../proto/api/core-v1.ts';

/** Reason of the events. */
const REASON = 'ServiceNotProgrammed';

export class ServiceProblems {
  private readonly known = new Map<string, string>();
  private readonly log: Logger;
  private readonly events: EventSink | undefined;

  constructor(log: Logger, events: EventSink | undefined) {
    this.log = log;
    this.events = events;
  }

  /**
   * @param source who says so; each source's problems stand by themselves
   * @param service what the events are about; undefined if it is gone
   */
  report(source: string, key: string, service: Service | undefined, messages: readonly string[]): void {
    const id = `${source} ${key}`;
    const text = messages.join('; ');
    const before = this.known.get(id);
    if (text === (before ?? '')) return;
    if (text === '' || service === undefined) {
      this.known.delete(id);
      if (service !== undefined) this.log.info({ service: key, source }, 'all of a service can be programmed again');
      return;
    }
    this.known.set(id, text);
    this.log.warn({ service: key, source, problems: messages }, 'parts of a service cannot be programmed');
    this.events?.event(subjectOf(services, service), 'Warning', REASON, `${source}: ${text}`);
  }

  /** What all sources say of a service. */
  of(key: string): string[] {
    return [...this.known].flatMap(([id, text]) => (id.endsWith(` ${key}`) ? [text] : []));
  }

  /** Keys of a source that have problems. */
  keysOf(source: string): string[] {
    const prefix = `${source} `;
    return [...this.known.keys()].flatMap(id => (id.startsWith(prefix) ? [id.slice(prefix.length)] : []));
  }
}
