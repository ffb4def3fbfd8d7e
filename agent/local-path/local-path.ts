/**
 * The node's side of local-path volumes: says where they lie, and removes the folders that the control plane asks it to remove.
 *
 * What is asked and what is done stands in annotations of the node, so nothing is forgotten when either side ends.
 */
import type { Client } from '../../machinery/client/client.ts';
import { nodes } from '../../machinery/client/resource.ts';
import {
  LOCAL_PATH_REMOVE,
  LOCAL_PATH_REMOVED,
  LOCAL_PATH_ROOT,
  namesIn,
  namesText,
} from '../../machinery/meta/local-path.ts';
import { absent } from '../../machinery/meta/status-error-from.ts';
import { WorkQueue } from '../../machinery/client/work-queue.ts';
import type { Reconciler, ReconcileResult } from '../../machinery/client/reconcile.ts';
import { runReconciler } from '../../machinery/client/run-reconciler.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { Node } from '../../proto/api/core-v1.ts';
import type { LocalPathFolders } from './local-path-folders.ts';

export interface LocalPathOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Undefined: this node takes no such volumes; folders of before are removed all the same. */
  readonly root: string | undefined;
  readonly folders: Pick<LocalPathFolders, 'remove'>;
}

/** What is in use is tried again so soon. */
const AGAIN_MS = 10_000;

export class LocalPath implements Component, Reconciler {
  readonly name = 'local-path';
  private readonly options: LocalPathOptions;
  private readonly queue: WorkQueue;
  private node: Node | undefined;
  /** Gone, and asked for still. */
  private readonly removed = new Set<string>();
  /** Why, of those that stay: told once. */
  private readonly told = new Map<string, string>();

  constructor(options: LocalPathOptions) {
    this.options = options;
    this.queue = new WorkQueue({ clock: options.clock, baseDelayMs: 500 });
  }

  /** The node object as it is now. */
  nodeSeen(node: Node): void {
    const older = this.node;
    this.node = node;
    if (older === undefined || signs(older) !== signs(node)) this.queue.add(node.metadata.name ?? '');
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.options;
    return runReconciler({ name: this.name, queue: this.queue, reconciler: this, workers: 1, clock, logger }, signal);
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { client, root } = this.options;
    const asked = namesIn(this.node, LOCAL_PATH_REMOVE);
    const answered = namesIn(this.node, LOCAL_PATH_REMOVED);
    for (const one of this.removed) if (!asked.includes(one)) this.removed.delete(one);
    for (const one of this.told.keys()) if (!asked.includes(one)) this.told.delete(one);
    const left = asked.filter(one => !answered.includes(one) && !this.removed.has(one));
    const kept = await this.remove(left, signal);
    const done = asked.filter(one => answered.includes(one) || this.removed.has(one));
    const wanted = { [LOCAL_PATH_ROOT]: root ?? null, [LOCAL_PATH_REMOVED]: namesText(done) };
    const annotations = this.node?.metadata.annotations ?? {};
    if (Object.entries(wanted).some(([key, value]) => (annotations[key] ?? null) !== value)) {
      // If it is gone it is registered again, and then seen.
      await client
        .of(nodes)
        .patch({ name }, { metadata: { annotations: wanted } }, { type: 'merge', signal })
        .catch(absent);
    }
    return kept ? { afterMs: AGAIN_MS } : 'awaitChange';
  }

  /** @returns whether something stays that has to be tried again */
  private async remove(names: readonly string[], signal: AbortSignal): Promise<boolean> {
    if (names.length === 0) return false;
    const kept = await this.options.folders.remove(names, signal);
    for (const name of names) {
      const error = kept.get(name);
      if (error === undefined) {
        this.removed.add(name);
        this.told.delete(name);
        continue;
      }
      if (this.told.get(name) !== error.message)
        this.options.logger.warn(
          { volume: name, err: error },
          'the folder of a volume cannot be removed yet; trying again',
        );
      this.told.set(name, error.message);
    }
    return kept.size > 0;
  }
}

function signs({ metadata }: Node): string {
  const { annotations = {}, uid } = metadata;
  return [uid, ...[LOCAL_PATH_ROOT, LOCAL_PATH_REMOVE, LOCAL_PATH_REMOVED].map(key => annotations[key])].join('\n');
}
