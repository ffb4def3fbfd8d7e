/**
 * The named checks behind /livez and /readyz.
 */
import type { Storage } from '../storage/storage.ts';
import type { HealthCheck } from './health.ts';

export interface HealthChecks {
  readonly livez: readonly HealthCheck[];
  readonly readyz: readonly HealthCheck[];
  markBootstrapped(): void;
}

export function healthChecks(storage: Storage): HealthChecks {
  let bootstrapped = false;
  const ping: HealthCheck = { name: 'ping', check: () => {} };
  const log: HealthCheck = { name: 'log', check: () => {} };
  const etcd: HealthCheck = { name: 'etcd', check: () => storage.checkHealth() };
  // A full disk is no reason to start the process again, but one to send writers elsewhere.
  const writable: HealthCheck = { name: 'etcd-readiness', check: () => storage.checkWritable() };
  const roles: HealthCheck = {
    name: 'poststarthook/rbac/bootstrap-roles',
    check() {
      if (!bootstrapped) throw new Error('not finished');
    },
  };
  return {
    livez: [ping, log, etcd],
    readyz: [ping, log, etcd, writable, { ...roles, name: 'informer-sync' }, roles],
    markBootstrapped() {
      bootstrapped = true;
    },
  };
}
