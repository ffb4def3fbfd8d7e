/**
 * The named checks behind /livez and /readyz.
 */
import type { Storage } from '../storage/storage.ts';
import type { HealthCheck } from './health.ts';

export interface HealthChecks {
  readonly livez: readonly HealthCheck[];
  readonly readyz: readonly HealthCheck[];
  markBootstrapped(): void;
  /** No longer ready: load balancers send nobody here any more. */
  markStopping(): void;
}

export function healthChecks(storage: Storage): HealthChecks {
  let bootstrapped = false;
  let stopping = false;
  const simple = (name: string): HealthCheck => ({ name, check: () => {} });
  const etcd: HealthCheck = { name: 'etcd', check: () => storage.checkHealth() };
  // A full disk is no reason to start the process again, but one to send writers elsewhere.
  const writable: HealthCheck = { name: 'etcd-readiness', check: () => storage.checkWritable() };
  const started = (name: string): HealthCheck => ({
    name,
    check() {
      if (!bootstrapped) throw new Error('not finished');
    },
  });
  const hooks = [
    started('poststarthook/rbac/bootstrap-roles'),
    started('poststarthook/scheduling/bootstrap-system-priority-classes'),
  ];
  const shutdown: HealthCheck = {
    name: 'shutdown',
    check() {
      if (stopping) throw new Error('process is shutting down');
    },
  };
  const alive = [simple('ping'), simple('log'), etcd];
  return {
    livez: [...alive, ...hooks],
    readyz: [...alive, writable, started('informer-sync'), ...hooks, shutdown],
    markBootstrapped() {
      bootstrapped = true;
    },
    markStopping() {
      stopping = true;
    },
  };
}
