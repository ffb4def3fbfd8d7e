/** What a kind's strategy says of a valid object once something of it is changed: for tables of `[change, errors]`. */
import type { AnyObject } from '../../../../machinery/client/resource.ts';
import { betaKinds, kinds } from '../../../../proto/api/kinds.ts';
import type { RequestContext } from '../../registry/strategy.ts';
import { strategyOf } from '../strategies.ts';

/** Values by dotted path; `undefined` takes the field away. */
export type Change = Readonly<Record<string, unknown>>;

const CONTEXT: RequestContext = { nowMs: 0, user: { name: 'u', groups: [] }, dryRun: false };

export class KindTable {
  readonly #strategy: ReturnType<typeof strategyOf>;
  readonly #valid: object;

  /** @param type `group/version/Kind`, without the slash in front for the core group */
  constructor(type: string, valid: object) {
    const info = [...kinds, ...betaKinds].find(k => [k.group, k.version, k.kind].filter(Boolean).join('/') === type);
    if (info === undefined) throw new Error(`no kind ${type}`);
    this.#strategy = strategyOf(info);
    this.#valid = valid;
  }

  /** The object as it would be stored. */
  created(change: Change = {}): AnyObject {
    const object = changed(this.#valid, change);
    this.#strategy.default?.(object);
    this.#strategy.prepareForCreate?.(object, CONTEXT);
    return object;
  }

  createErrors(change: Change): string[] {
    const object = this.created(change);
    return [...(this.#strategy.validate?.(object) ?? []), ...(this.#strategy.validateCreate?.(object) ?? [])].map(
      String,
    );
  }

  /** @param from what the stored object has that the valid one has not */
  updateErrors(change: Change, from: Change = {}): string[] {
    const older = this.#stored(from);
    const object = changed(older, change);
    this.#strategy.default?.(object);
    this.#strategy.prepareForUpdate?.(object, older, CONTEXT);
    return [
      ...(this.#strategy.validate?.(object) ?? []),
      ...(this.#strategy.validateUpdate?.(object, older) ?? []),
    ].map(String);
  }

  statusErrors(change: Change, from: Change = {}): string[] {
    const older = this.#stored(from);
    const object = changed(older, change);
    this.#strategy.status?.prepareForUpdate(object, older, CONTEXT);
    return (this.#strategy.status?.validateUpdate?.(object, older) ?? []).map(String);
  }

  /** Created with the spec of `from`, and then given its status. */
  #stored(from: Change): AnyObject {
    return changed(
      this.created(from),
      Object.fromEntries(Object.entries(from).filter(([path]) => /^status/.test(path))),
    );
  }
}

function changed(object: object, change: Change): AnyObject {
  const copy = structuredClone(object) as Record<string, unknown>;
  for (const [path, value] of Object.entries(change)) {
    const keys = path.split('.');
    const last = keys.pop() ?? '';
    let at = copy;
    for (const key of keys) at = (at[key] ??= {}) as Record<string, unknown>;
    if (value === undefined) delete at[last];
    else at[last] = structuredClone(value);
  }
  return copy as unknown as AnyObject;
}
