/**
 * The one concurrency primitive of k8ts (docs/architecture.md): Informer -> WorkQueue -> reconcile. This file is its contract;
 * `work-queue.ts` and `run-reconciler.ts` implement it.
 */

/** Look again after a time, or when something changes. Nothing else can be said. */
export type ReconcileResult = { afterMs: number } | 'awaitChange';

/**
 * Brings the world one step nearer to what `key` asks for. The key carries no event: look at the listers.
 * A throw means back-off and another try; TerminalError means log and stop until the next change.
 * Never runs twice at once for one key; a change that comes while it runs runs it again.
 */
export interface Reconciler<K = string> {
  reconcile(key: K, signal: AbortSignal): Promise<ReconcileResult>;
}

/** No retry will help: something must change first. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';
}
