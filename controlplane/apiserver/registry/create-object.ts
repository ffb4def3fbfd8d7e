/**
 * Creates an object: default, admit, fill metadata, validate, reserve, store.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { FieldError } from '../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../machinery/meta/field-path.ts';
import { dns1123Subdomain } from '../../../machinery/meta/names.ts';
import { validateObjectMeta } from '../../../machinery/meta/object-meta-validation.ts';
import { alreadyExists, generateNameConflict, invalid } from '../../../machinery/meta/status-error.ts';
import { isAlreadyExists } from '../../../machinery/meta/status-error-from.ts';
import type { AdmissionChain } from '../admission/admission.ts';
import type { StoredObject } from '../storage/storage.ts';
import { unstored } from './unstored.ts';
import type { FieldOwnership } from './field-ownership.ts';
import { fillForCreate, generateName, settleNamespace } from './object-meta.ts';
import { groupResource, type ServedResource, type WriteContext } from './served-resource.ts';

/** What every write needs besides the resource. */
export interface RegistryParts {
  readonly admission: AdmissionChain;
  readonly ownership: FieldOwnership;
}

/** A generated name that is taken is drawn again this often. */
const NAME_ATTEMPTS = 8;

/**
 * @param object fresh, in the stored version; changed and stored
 * @throws StatusError
 */
export async function createObject(
  parts: RegistryParts,
  resource: ServedResource,
  object: AnyObject,
  namespace: string,
  context: WriteContext,
): Promise<StoredObject<AnyObject>> {
  const generated = !object.metadata.name && Boolean(object.metadata.generateName);
  await prepareForCreate(parts, resource, object, namespace, context);
  const { storage, strategy, hooks, info } = resource;
  const ttlSeconds = strategy.ttlSeconds?.(object);
  const place = object.metadata.namespace ?? '';
  if (context.dryRun) {
    const reserved = await hooks?.beforeCreate?.(object, context);
    await reserved?.rollback();
    const name = object.metadata.name ?? '';
    if (storage.peek(place, name) !== undefined) throw alreadyExists(groupResource(info), name);
    return unstored(object);
  }
  const reserved = await hooks?.beforeCreate?.(object, context);
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        const stored = await storage.create(
          place,
          object.metadata.name ?? '',
          object,
          ttlSeconds === undefined ? {} : { ttlSeconds },
        );
        await reserved?.commit();
        return stored;
      } catch (error) {
        if (!generated || !isAlreadyExists(error)) throw error;
        if (attempt === NAME_ATTEMPTS) throw generateNameConflict(groupResource(info), object.metadata.name ?? '', 1);
        object.metadata.name = generateName(object.metadata.generateName ?? '');
      }
    }
  } catch (error) {
    await reserved?.rollback(error);
    throw error;
  }
}

/**
 * Everything of a create but the write.
 * @param ownershipIsSet server-side apply has written managedFields already
 */
export async function prepareForCreate(
  { admission, ownership }: RegistryParts,
  resource: ServedResource,
  object: AnyObject,
  namespace: string,
  context: WriteContext,
  ownershipIsSet = false,
): Promise<void> {
  const { strategy, storedInfo } = resource;
  settleNamespace(resource, object, namespace);
  strategy.default?.(object);
  const name = object.metadata.name ?? '';
  const attributes = {
    operation: 'CREATE',
    resource,
    subresource: '',
    namespace,
    name,
    object,
    older: undefined,
    context,
  } as const;
  // What admission and the server add belongs to nobody.
  if (!ownershipIsSet) ownership.recordUpdate(resource, object, undefined, context);
  await admission.admit(attributes);
  fillForCreate(object, context.nowMs, strategy.tracksGeneration);
  strategy.prepareForCreate?.(object, context);
  resource.hooks?.settle?.(object, undefined);
  const errors = [
    ...metaErrors(object, resource),
    ...(strategy.validate?.(object) ?? []),
    ...(strategy.validateCreate?.(object) ?? []),
  ];
  if (errors.length > 0) throw invalid(storedInfo, object.metadata.name ?? '', errors);
  for (const warning of strategy.warnings?.(object, undefined) ?? []) context.warn(warning);
  await admission.validate({ ...attributes, name: object.metadata.name ?? '' });
}

const META = FieldPath.of('metadata');

function metaErrors(object: AnyObject, { strategy, info }: ServedResource): FieldError[] {
  const check = strategy.validateName;
  // A name that the server has made up is checked in full, its prefix only as far as a prefix can be.
  return validateObjectMeta(
    object.metadata,
    info.namespaced,
    check === undefined ? dns1123Subdomain : name => check(name, false),
    META,
  );
}
