/**
 * What plugins hand from one extension point to the next, for one pod's scheduling cycle. Keys are the plugins' own, by custom their names.
 */
interface Cloneable {
  clone(): unknown;
}

export class CycleState {
  /** Plugins whose PreFilter said `skip`: their Filter is not asked. */
  readonly skipFilter: Set<string>;
  /** Plugins whose PreScore said `skip`: their Score is not asked. */
  readonly skipScore: Set<string>;
  private readonly data: Map<string, unknown>;

  constructor(from?: CycleState) {
    this.skipFilter = new Set(from?.skipFilter);
    this.skipScore = new Set(from?.skipScore);
    this.data = new Map(from?.data);
  }

  /** What was written under the key. @throws Error when nothing was: the plugin's order of calls is broken */
  read<T>(key: string): T {
    const found = this.data.get(key);
    if (found === undefined) throw new Error(`nothing was written to the cycle state under "${key}"`);
    // Whoever reads a key is who wrote it.
    return found as T;
  }

  /** As `read`; undefined when nothing was written. */
  find<T>(key: string): T | undefined {
    return this.data.get(key) as T | undefined;
  }

  write(key: string, data: object | string | number | boolean): void {
    this.data.set(key, data);
  }

  /** One to try things out on: data with a `clone()` of its own is cloned, other data is shared. */
  clone(): CycleState {
    const copy = new CycleState(this);
    for (const [key, data] of copy.data) if (isCloneable(data)) copy.data.set(key, data.clone());
    return copy;
  }
}

function isCloneable(data: unknown): data is Cloneable {
  return typeof data === 'object' && data !== null && 'clone' in data && typeof data.clone === 'function';
}
