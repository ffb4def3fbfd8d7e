/**
 * Carries a DELETE out: looks, plans, and acts on exactly the state it looked at; looks again when that state is gone.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { conflict } from '../../../machinery/meta/status-error.ts';
import { isConflict } from '../../../machinery/meta/status-error-from.ts';
import type { Preconditions, StoredObject } from '../storage/storage.ts';
import type { RegistryParts } from './create-object.ts';
import { deletionPlan, type DeletionPlan, type Propagation } from './deletion-plan.ts';
import { timestamp } from './object-meta.ts';
import type { ServedResource, WriteContext } from './served-resource.ts';
import { unstored } from './unstored.ts';

export interface DeletionOptions {
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: Propagation | undefined;
  readonly preconditions?: Preconditions | undefined;
}

export interface DeletionOutcome {
  readonly stored: StoredObject<AnyObject>;
  /** False: the object is still there, waiting for its grace period or finalizers. */
  readonly gone: boolean;
}

const MAX_RACES = 20;

/** @throws StatusError NotFound, Conflict (preconditions) */
export async function deleteObject(
  { admission }: RegistryParts,
  resource: ServedResource,
  namespace: string,
  name: string,
  options: DeletionOptions,
  context: WriteContext,
): Promise<DeletionOutcome> {
  for (let race = 0; ; race++) {
    const current = await resource.storage.get(namespace, name);
    checkPreconditions(resource, current.object, options.preconditions);
    const older = current.object;
    await admission.validate({
      operation: 'DELETE',
      resource,
      subresource: '',
      namespace,
      name,
      object: undefined,
      older,
      context,
    });
    const plan = planFor(resource, older, options, context);
    if (plan.kind === 'pending') return { stored: current, gone: false };
    if (context.dryRun)
      return {
        stored: plan.kind === 'mark' ? unstored(marked(resource, older, plan)) : current,
        gone: plan.kind === 'delete',
      };
    const exactly = { uid: older.metadata.uid ?? '', resourceVersion: current.resourceVersion };
    try {
      if (plan.kind === 'delete') {
        const stored = await resource.storage.delete(namespace, name, exactly);
        await resource.hooks?.afterDelete?.(stored.object);
        return { stored, gone: true };
      }
      const { stored } = await resource.storage.guaranteedUpdate(namespace, name, exactly, object =>
        marked(resource, object, plan),
      );
      return { stored, gone: false };
    } catch (error) {
      if (!isConflict(error) || race >= MAX_RACES) throw error;
    }
  }
}

function planFor(
  resource: ServedResource,
  object: AnyObject,
  options: DeletionOptions,
  { nowMs }: WriteContext,
): DeletionPlan {
  const { strategy, hooks } = resource;
  return deletionPlan({
    object,
    nowMs,
    requestedGraceSeconds: options.gracePeriodSeconds,
    propagation: options.propagationPolicy,
    defaultPropagation: strategy.defaultGarbageCollection === 'OrphanDependents' ? 'Orphan' : 'Background',
    graceSeconds: strategy.gracefulDelete?.(object, options.gracePeriodSeconds),
    held: hooks?.isHeld?.(object) ?? false,
  });
}

function marked(resource: ServedResource, older: AnyObject, plan: DeletionPlan & { kind: 'mark' }): AnyObject {
  const metadata = { ...older.metadata };
  if (older.metadata.deletionTimestamp === undefined && metadata.generation !== undefined) metadata.generation++;
  metadata.deletionTimestamp = timestamp(plan.deletionAtMs);
  metadata.deletionGracePeriodSeconds = plan.graceSeconds;
  if (plan.finalizers.length > 0) metadata.finalizers = [...plan.finalizers];
  else delete metadata.finalizers;
  const object = { ...older, metadata };
  resource.hooks?.onDeletionBegun?.(object);
  return object;
}

function checkPreconditions(
  { info }: ServedResource,
  object: AnyObject,
  preconditions: Preconditions | undefined,
): void {
  const { uid, resourceVersion, name = '' } = object.metadata;
  // Upstream names the kind here rather than the resource.
  const what = { group: info.group, resource: info.kind };
  if (preconditions?.uid !== undefined && preconditions.uid !== uid) {
    const text = `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${uid ?? ''}). The object might have been deleted and then recreated`;
    throw conflict(what, name, text);
  }
  if (preconditions?.resourceVersion !== undefined && preconditions.resourceVersion !== resourceVersion) {
    const text = `the ResourceVersion in the precondition (${preconditions.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion ?? ''}). The object might have been modified`;
    throw conflict(what, name, text);
  }
}
