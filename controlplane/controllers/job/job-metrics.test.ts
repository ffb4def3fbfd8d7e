import { expect, test } from '@jest/globals';
import { MetricsRegistry } from '../../../machinery/process/metrics.ts';
import { JobMetrics } from './job-metrics.ts';
import { failed, indexed, job, plan, pod, released, then } from './testdata/job-objects.ts';

/** Lines of the counters that are not zero. */
function counted(registry: MetricsRegistry): string[] {
  const lines = registry.render().split('\n');
  return lines
    .filter(line => /^job_controller_\w+_total\{/.test(line))
    .map(line => line.replace('job_controller_', ''));
}

test('JobMetrics counts each pod and index when its sum is written, and a job when it ends', () => {
  const registry = new MetricsRegistry();
  const metrics = new JobMetrics(registry);
  const subject = job({ completions: 1, backoffLimit: 0 });
  const lost = failed();
  const noted = plan(subject, [lost]);
  metrics.statusWritten(subject, noted.status);
  expect(counted(registry)).toEqual([]);
  const before = { ...subject, status: noted.status };
  metrics.statusWritten(before, then(subject, noted, [released(lost)]).status);
  expect(counted(registry)).toEqual([
    'jobs_finished_total{completion_mode="NonIndexed",result="failed",reason="BackoffLimitExceeded"} 1',
    'job_pods_finished_total{completion_mode="NonIndexed",result="failed"} 1',
  ]);
  const many = indexed({ completions: 4, parallelism: 4, backoffLimitPerIndex: 0 });
  metrics.statusWritten(many, { completedIndexes: '0-2', failedIndexes: '3', succeeded: 3 });
  expect(counted(registry)).toContain('job_finished_indexes_total{status="succeeded",backoffLimit="perIndex"} 3');
  expect(counted(registry)).toContain('job_finished_indexes_total{status="failed",backoffLimit="perIndex"} 1');
});

test('JobMetrics tells pods that are made for the first time from those that are made again', () => {
  const registry = new MetricsRegistry();
  const metrics = new JobMetrics(registry);
  metrics.podsMade(job({}), false, false, 3, 0);
  metrics.podsMade(job({}), false, true, 2, 1);
  metrics.podsMade(job({ podReplacementPolicy: 'Failed' }), true, false, 1, 0);
  metrics.podChanged(pod(), failed());
  metrics.podChanged(failed(), released(failed()));
  metrics.podChanged(pod(), pod({ ready: true }));
  expect(counted(registry)).toEqual([
    'terminated_pods_tracking_finalizer_total{event="add"} 1',
    'terminated_pods_tracking_finalizer_total{event="delete"} 1',
    'job_pods_creation_total{reason="new",status="succeeded"} 3',
    'job_pods_creation_total{reason="recreate_terminating_or_failed",status="succeeded"} 2',
    'job_pods_creation_total{reason="recreate_terminating_or_failed",status="failed"} 1',
    'job_pods_creation_total{reason="recreate_failed",status="succeeded"} 1',
  ]);
});
