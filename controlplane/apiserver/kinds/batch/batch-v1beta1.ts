/** CronJobs of batch/v1beta1: those of v1, without a time zone. Source: Kubernetes `staging/src/k8s.io/api/batch/v1beta1`, 1.20. */
import type { CronJob } from '../../../../proto/api/batch-v1.ts';
import type { Conversion } from '../../registry/served-resource.ts';

export const batchV1beta1Conversion: Conversion = {
  toStorage: object => ({ ...object, apiVersion: 'batch/v1' }),
  fromStorage: object => ({ ...object, apiVersion: 'batch/v1beta1' }),
  keep(object, older) {
    const [next, was] = [object as CronJob, older as CronJob];
    if (was.spec.timeZone !== undefined) next.spec = { ...next.spec, timeZone: was.spec.timeZone };
    const last = was.status?.lastSuccessfulTime;
    if (last !== undefined && next.status !== undefined) next.status = { ...next.status, lastSuccessfulTime: last };
  },
};
