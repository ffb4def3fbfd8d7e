/** What the rules of a container depend on in the pod around it. */
import type { Volumes } from './validate-volume-mounts.ts';

export interface PodFacts {
  /** Those that are valid themselves. */
  readonly volumes: Volumes;
  readonly claims: ReadonlySet<string>;
  readonly gracePeriodSeconds: number;
  readonly hostUsers: boolean;
  readonly podRestartPolicy: string;
  readonly os: string | undefined;
}
