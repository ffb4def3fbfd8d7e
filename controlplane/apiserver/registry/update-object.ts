/**
 * Updates an object by compare-and-swap: `change` makes the new state from the current one, and is asked again when another write came between.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { FieldError } from '../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../machinery/meta/field-path.ts';
import { validateObjectMetaUpdate } from '../../../machinery/meta/object-meta-validation.ts';
import { conflict, invalid, notFound } from '../../../machinery/meta/status-error.ts';
import { isConflict } from '../../../machinery/meta/status-error-from.ts';
import type { Preconditions, StoredObject } from '../storage/storage.ts';
import { prepareForCreate, type RegistryParts } from './create-object.ts';
import { bumpGeneration, fillForUpdate } from './object-meta.ts';
import { groupResource, type Reservation, type ServedResource, type WriteContext } from './served-resource.ts';
import { unstored } from './unstored.ts';

export interface UpdateRequest {
  readonly namespace: string;
  readonly name: string;
  readonly preconditions?: Preconditions | undefined;
  /** Makes the new state, fresh, in the stored version. `older` is read-only; undefined only with `create`. */
  change(older: AnyObject | undefined): AnyObject | Promise<AnyObject>;
  /** An object that does not exist is created. */
  readonly create?: boolean | undefined;
  /** Rules of a subresource in place of the kind's own. */
  readonly context: WriteContext;
  /** Server-side apply has written managedFields already. */
  readonly ownershipIsSet?: boolean | undefined;
}

export interface UpdateOutcome {
  readonly stored: StoredObject<AnyObject>;
  readonly created: boolean;
}

/** The new state has lost its last finalizer: it is deleted rather than stored. */
class Emptied extends Error {
  readonly older: AnyObject;
  readonly object: AnyObject;
  constructor(older: AnyObject, object: AnyObject) {
    super('deleted with its last finalizer');
    this.older = older;
    this.object = object;
  }
}

/** @throws StatusError NotFound, Conflict, Invalid and whatever admission says */
export async function updateObject(
  parts: RegistryParts,
  resource: ServedResource,
  request: UpdateRequest,
): Promise<UpdateOutcome> {
  for (;;) {
    try {
      return await updateOnce(parts, resource, request);
    } catch (error) {
      if (!(error instanceof Emptied)) throw error;
      const { uid = '', resourceVersion = '' } = error.older.metadata;
      try {
        const stored = await resource.storage.delete(request.namespace, request.name, { uid, resourceVersion });
        await resource.hooks?.afterDelete?.(stored.object);
        // Who took the finalizer away expects to see it gone.
        return { stored: unstored(error.object), created: false };
      } catch (lost) {
        if (!isConflict(lost)) throw lost;
      }
    }
  }
}

async function updateOnce(
  parts: RegistryParts,
  resource: ServedResource,
  request: UpdateRequest,
): Promise<UpdateOutcome> {
  const { storage, hooks, info } = resource;
  const { namespace, name, preconditions, context } = request;
  let reserved: Reservation | undefined;
  let dryRunResult: AnyObject | undefined;
  let createdNow = false;
  const next = async (older: AnyObject | undefined): Promise<AnyObject> => {
    await reserved?.rollback();
    reserved = undefined;
    const object = await request.change(older);
    createdNow = older === undefined;
    if (older === undefined) {
      object.metadata.name ??= name;
      await prepareForCreate(parts, resource, object, namespace, context, request.ownershipIsSet);
      reserved = await hooks?.beforeCreate?.(object, context);
      return object;
    }
    await prepareForUpdate(parts, resource, object, older, request);
    if (context.subresource === '' || context.subresource === 'finalize') {
      if (isEmptied(resource, object, older) && !context.dryRun) throw new Emptied(older, object);
    }
    if (context.subresource === '') reserved = await hooks?.beforeUpdate?.(object, older, context);
    return object;
  };
  if (context.dryRun) {
    const current = storage.peek(namespace, name);
    if (current === undefined && request.create !== true) throw notFound(groupResource(info), name);
    dryRunResult = await next(current?.object);
    await (reserved as Reservation | undefined)?.rollback();
    return { stored: unstored(dryRunResult), created: createdNow };
  }
  try {
    const ttl = (object: AnyObject): number | undefined => resource.strategy.ttlSeconds?.(object);
    const ttlSeconds =
      resource.strategy.ttlSeconds === undefined
        ? undefined
        : ttl(storage.peek(namespace, name)?.object ?? { metadata: {} });
    const { patienceMs } = resource.strategy;
    const options = {
      ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
      ...(patienceMs === undefined ? {} : { patienceMs }),
    };
    const result =
      request.create === true
        ? await storage.guaranteedUpsert(namespace, name, preconditions, next, options)
        : await storage.guaranteedUpdate(namespace, name, preconditions, next, options);
    await (reserved as Reservation | undefined)?.commit();
    return { stored: result.stored, created: result.created };
  } catch (error) {
    await (reserved as Reservation | undefined)?.rollback(error);
    throw error;
  }
}

async function prepareForUpdate(
  { admission, ownership }: RegistryParts,
  resource: ServedResource,
  object: AnyObject,
  older: AnyObject,
  request: UpdateRequest,
): Promise<void> {
  const { strategy, info, storedInfo } = resource;
  const { namespace, name, context } = request;
  const { subresource } = context;
  if (object.metadata.name !== undefined && object.metadata.name !== '' && object.metadata.name !== name) {
    throw conflict(
      groupResource(info),
      name,
      `the name of the object (${object.metadata.name}) does not match the name on the URL (${name})`,
    );
  }
  const givenVersion = object.metadata.resourceVersion;
  fillForUpdate(resource, object, older);
  const own =
    subresource === '' ? undefined : subresource === 'status' ? strategy.status : strategy.subresources?.[subresource];
  own?.prepareForUpdate(object, older, context);
  strategy.default?.(object);
  const attributes = { operation: 'UPDATE', resource, subresource, namespace, name, object, older, context } as const;
  // What admission and the server add belongs to nobody.
  if (request.ownershipIsSet !== true) ownership.recordUpdate(resource, object, older, context);
  await admission.admit(attributes);
  if (own === undefined) {
    if (subresource === '' && strategy.status !== undefined) keepStatus(object, older);
    strategy.prepareForUpdate?.(object, older, context);
    if (subresource === '') resource.hooks?.settle?.(object, older);
  }
  if (strategy.tracksGeneration && subresource !== 'status') bumpGeneration(object, older);
  const errors: FieldError[] = metaErrors(object, older, resource, givenVersion);
  if (own !== undefined) errors.push(...(own.validateUpdate?.(object, older) ?? []));
  else errors.push(...(strategy.validate?.(object) ?? []), ...(strategy.validateUpdate?.(object, older) ?? []));
  if (errors.length > 0) throw invalid(storedInfo, name, errors);
  for (const warning of strategy.warnings?.(object, older) ?? []) context.warn(warning);
  await admission.validate(attributes);
}

const META = FieldPath.of('metadata');

function metaErrors(
  object: AnyObject,
  older: AnyObject,
  { strategy }: ServedResource,
  given: string | undefined,
): FieldError[] {
  // What the client sent counts for the rule that a resourceVersion must be there.
  const resourceVersion =
    strategy.allowUnconditionalUpdate === false ? (given ?? '') : (older.metadata.resourceVersion ?? '');
  return validateObjectMetaUpdate({ ...object.metadata, resourceVersion }, older.metadata, META);
}

function keepStatus(object: AnyObject, older: AnyObject): void {
  const next = object as AnyObject & { status?: unknown };
  const was = older as AnyObject & { status?: unknown };
  if (was.status === undefined) delete next.status;
  else next.status = was.status;
}

/** Whether nothing holds an object any more whose deletion has begun. */
function isEmptied(resource: ServedResource, object: AnyObject, older: AnyObject): boolean {
  const meta = object.metadata;
  if (meta.deletionTimestamp === undefined || (meta.finalizers ?? []).length > 0) return false;
  if (resource.hooks?.isHeld?.(object) === true) return false;
  const held = (older.metadata.finalizers ?? []).length > 0 || resource.hooks?.isHeld?.(older) === true;
  const grace = meta.deletionGracePeriodSeconds ?? 0;
  return grace === 0 && (held || resource.strategy.gracefulDelete === undefined);
}
