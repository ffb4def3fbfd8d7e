/**
 * What every request passes, in this order. What a request asks for (request info) is known before the first filter; warnings that filters
 * and handlers leave in the exchange become headers when the answer is written.
 */
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import type { ApiMetrics } from '../discovery/metrics.ts';
import type { Filter } from '../server/exchange.ts';
import { audit, type AuditSink } from './audit.ts';
import { authenticate, type TokenAuthenticator } from './authenticate.ts';
import { authorize } from './authorize.ts';
import { impersonate } from './impersonate.ts';
import { inFlight, type InFlightLimits } from './in-flight.ts';
import { panicRecovery } from './panic-recovery.ts';
import { timeouts } from './timeouts.ts';

export interface FilterOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly metrics: ApiMetrics;
  readonly tokens: readonly TokenAuthenticator[];
  readonly authorizer: Authorizer;
  readonly auditSink: AuditSink | undefined;
  readonly limits: InFlightLimits;
}

export function filterChain(options: FilterOptions): Filter[] {
  const { logger, clock, metrics, tokens, authorizer, auditSink, limits } = options;
  return [
    metrics.filter(() => clock.monotonicMs()),
    panicRecovery(logger),
    timeouts(clock),
    authenticate(tokens),
    impersonate(authorizer),
    audit(auditSink),
    inFlight(limits),
    authorize(authorizer),
  ];
}

/** What a request passes that asks a part beside the API server: who it is and whether it may. */
export function guardChain(options: Pick<FilterOptions, 'logger' | 'clock' | 'tokens' | 'authorizer'>): Filter[] {
  const { logger, clock, tokens, authorizer } = options;
  return [panicRecovery(logger), timeouts(clock), authenticate(tokens), authorize(authorizer)];
}
