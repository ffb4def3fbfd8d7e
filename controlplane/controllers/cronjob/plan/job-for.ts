/** The Job of one start of a CronJob. Pure. Source: upstream `pkg/controller/cronjob/utils.go`. */
import type { CronJob, Job } from '../../../../proto/api/batch-v1.ts';
import { controllerRef } from '../../../../machinery/meta/object.ts';
import { parseTime } from '../../../../machinery/meta/time.ts';
import { formatTimeIn } from '../../../../machinery/meta/time-zone.ts';

const CRON_JOB = { group: 'batch', version: 'v1', kind: 'CronJob' };
const SCHEDULED_AT = 'batch.kubernetes.io/cronjob-scheduled-timestamp';

/** The same start always has the same name, so that it is made once. */
export function jobFor(cron: CronJob, scheduledMs: number): Job {
  const { metadata, spec } = cron.spec.jobTemplate;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      namespace: cron.metadata.namespace,
      name: nameFor(cron, scheduledMs),
      ...(metadata?.labels === undefined ? {} : { labels: metadata.labels }),
      annotations: {
        ...metadata?.annotations,
        [SCHEDULED_AT]: formatTimeIn(scheduledMs, cron.spec.timeZone ?? 'UTC'),
      },
      ownerReferences: [controllerRef(cron, CRON_JOB)],
    },
    spec: spec ?? { template: {} },
  };
}

function nameFor({ metadata }: CronJob, scheduledMs: number): string {
  return `${metadata.name}-${Math.floor(scheduledMs / 60_000)}`;
}

/** The start that the job was made for; undefined for others that refer to the CronJob: who made them by hand said so. */
export function startOf(cron: CronJob, { metadata }: Job): number | undefined {
  const atMs = parseTime(metadata.annotations?.[SCHEDULED_AT] ?? '');
  return atMs !== undefined && metadata.name === nameFor(cron, atMs) ? atMs : undefined;
}
