/** Settings of upstream's scheduler that this one does not have. */
import type { FieldError } from '../../../../machinery/meta/field-error.ts';
import { lack, lackingSettings, type LackingSetting } from '../../../../machinery/meta/lacking-settings.ts';
import type { KubeSchedulerConfiguration } from '../../../../proto/api/kube-scheduler-config-v1.ts';

const IN_PROCESS = 'the scheduler reaches the API server inside of its own process';

const LACKS: readonly LackingSetting[] = [
  lack('parallelism', [16], 'nodes are looked at one after the other, in one thread; leave it out'),
  lack('clientConnection.kubeconfig', [], IN_PROCESS),
  lack('clientConnection.acceptContentTypes', ['application/json'], IN_PROCESS),
  lack('clientConnection.contentType', ['application/json'], IN_PROCESS),
  lack('clientConnection.qps', [50], `${IN_PROCESS}, without a limit of requests`),
  lack('clientConnection.burst', [100], `${IN_PROCESS}, without a limit of requests`),
  lack('leaderElection.resourceName', ['kube-scheduler'], 'the role of the scheduler allows it no other Lease'),
  lack('leaderElection.resourceNamespace', ['kube-system'], 'the role of the scheduler allows it no other Lease'),
  lack('enableProfiling', [false], 'start k8ts with node --inspect or --cpu-prof instead'),
  lack('enableContentionProfiling', [false], 'there is no such profile of Node.js'),
  lack('delayCacheUntilActive', [true], 'a scheduler that does not lead keeps nothing in memory'),
];

/** One error for each setting that cannot be had. */
export function unsupportedSettings(file: KubeSchedulerConfiguration): FieldError[] {
  return lackingSettings(LACKS, file);
}
