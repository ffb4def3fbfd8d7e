/** Makes and deletes the Jobs of one CronJob, and tells of it. */
import type { CronJob, Job } from '../../../proto/api/batch-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import { jobs } from '../../../machinery/client/resource.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { isControlledBy } from '../../../machinery/meta/object.ts';
import { isAlreadyExists, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { isNamespaceTerminating } from '../runtime/namespace-terminating.ts';
import { unknownReferences } from './plan/cron-status.ts';
import { jobFor } from './plan/job-for.ts';

export class JobsOfCron {
  private readonly client: Client;
  private readonly cron: CronJob;
  private readonly tell: (type: 'Normal' | 'Warning', reason: string, message: string) => void;
  private readonly signal: AbortSignal;

  constructor(client: Client, cron: CronJob, tell: JobsOfCron['tell'], signal: AbortSignal) {
    this.client = client;
    this.cron = cron;
    this.tell = tell;
    this.signal = signal;
  }

  /** `listed` with those that the status names and the informer may not show yet. @throws StatusError */
  async complete(listed: readonly Job[]): Promise<Job[]> {
    const found = [...listed];
    for (const { name, uid } of unknownReferences(this.cron, listed)) {
      const job = await this.get(name);
      if (job?.metadata.uid === uid) found.push(job);
    }
    return found;
  }

  /** @returns undefined if the namespace is going, or if somebody else's job has the name @throws StatusError */
  async create(scheduledMs: number): Promise<Job | undefined> {
    const wanted = jobFor(this.cron, scheduledMs);
    const { name = '' } = wanted.metadata;
    try {
      const job = await this.client.of(jobs).create(wanted, { signal: this.signal });
      this.tell('Normal', 'SuccessfulCreate', `Created job ${name}`);
      return job;
    } catch (error) {
      this.signal.throwIfAborted();
      if (isNamespaceTerminating(error)) return undefined;
      if (isAlreadyExists(error)) {
        const there = await this.get(name);
        if (there !== undefined && isControlledBy(there, this.cron)) return there;
        this.tell('Warning', 'FailedCreate', `Error creating job: ${name} exists and belongs to somebody else`);
        return undefined;
      }
      this.tell('Warning', 'FailedCreate', `Error creating job: ${errorText(error)}`);
      throw error;
    }
  }

  /** That it is gone is fine. @throws StatusError */
  async remove(job: Job): Promise<void> {
    const { namespace, name = '', uid } = job.metadata;
    const { signal } = this;
    try {
      const options = { propagationPolicy: 'Background', preconditions: { uid }, signal } as const;
      await this.client.of(jobs).delete({ namespace, name }, options);
      this.tell('Normal', 'SuccessfulDelete', `Deleted job ${name}`);
    } catch (error) {
      signal.throwIfAborted();
      if (isNotFound(error)) return;
      this.tell('Warning', 'FailedDelete', `Deleted job: ${errorText(error)}`);
      throw error;
    }
  }

  private async get(name: string): Promise<Job | undefined> {
    try {
      return await this.client.of(jobs).get({ namespace: this.cron.metadata.namespace, name }, this.signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}
