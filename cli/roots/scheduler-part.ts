/** The scheduler with what it reads from and tells through. */
import { EventRecorder } from '../../machinery/client/event-recorder.ts';
import type { Client } from '../../machinery/client/client.ts';
import { errorText } from '../../machinery/meta/error-text.ts';
import { SharedInformerFactory } from '../../machinery/client/shared-informer.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { MetricsRegistry } from '../../machinery/process/metrics.ts';
import { HttpExtender } from '../../controlplane/scheduler/extenders/http-extender.ts';
import { keptBySchedulers } from '../../controlplane/scheduler/kept-objects.ts';
import { Scheduler, type SchedulerOptions } from '../../controlplane/scheduler/scheduler.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import type { SchedulerFile } from '../scheduler-file.ts';
import { running } from './running.ts';

export function schedulerPart(
  { path, profiles, registry, extenders, podInitialBackoffMs, podMaxBackoffMs }: SchedulerFile,
  client: Client,
  logger: Logger,
  metrics: MetricsRegistry,
): Component {
  const clock = systemClock;
  const informers = new SharedInformerFactory({ client, clock, logger, fromNewest: true, keptOf: keptBySchedulers });
  const recorder = new EventRecorder({ client, clock, logger, component: 'default-scheduler' });
  const options = {
    ...{ client, informers, clock, recorder, metrics, profiles, registry, podInitialBackoffMs, podMaxBackoffMs },
    logger: logger.child({ part: 'scheduler' }),
    extenders: extenders.map(settings => new HttpExtender(settings)),
  };
  const scheduler = createScheduler(options, path);
  return running(
    'scheduler',
    async signal => {
      const informing = informers.run(signal);
      await scheduler.run(signal);
      await recorder.stop();
      await informing;
    },
    () => scheduler.ready(),
  );
}

/** @throws CliError (usage) when the profiles of a file cannot be put together */
function createScheduler(options: SchedulerOptions, path: string | undefined): Scheduler {
  try {
    return new Scheduler(options);
  } catch (error) {
    if (path === undefined) throw error;
    const message = `The scheduler's configuration ${path} cannot be used: ${errorText(error)}`;
    throw new CliError(message, exitCodes.usage);
  }
}
