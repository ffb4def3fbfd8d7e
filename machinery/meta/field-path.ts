/**
 * Where a value stands inside an object: `spec.containers[0].ports[1]`, `metadata.labels[app]`.
 *
 * A path is a linked list that becomes text only when an error is told, so walking a valid object costs one small
 * allocation a step. Source: apimachinery `field.Path`.
 */
export class FieldPath {
  readonly #parent: FieldPath | undefined;
  readonly #segment: string;
  readonly #bracket: boolean;

  private constructor(parent: FieldPath | undefined, segment: string, bracket: boolean) {
    this.#parent = parent;
    this.#segment = segment;
    this.#bracket = bracket;
  }

  /** A path that starts at the object's own field `name`. */
  static of(name: string, ...more: readonly string[]): FieldPath {
    return new FieldPath(undefined, name, false).child(...more);
  }

  /** The field `names[0]` of this one, and so on down. */
  child(...names: readonly string[]): FieldPath {
    return names.reduce((path: FieldPath, name) => new FieldPath(path, name, false), this);
  }

  /** The field `name` beside this one. */
  sibling(name: string): FieldPath {
    return new FieldPath(this.#parent, name, false);
  }

  /** The list item `index` of this field. */
  index(index: number): FieldPath {
    return new FieldPath(this, String(index), true);
  }

  /** The map value `key` of this field. */
  key(key: string): FieldPath {
    return new FieldPath(this, key, true);
  }

  toString(): string {
    const own = this.#bracket ? `[${this.#segment}]` : this.#segment;
    if (this.#parent === undefined) return own;
    return this.#bracket ? `${this.#parent}${own}` : `${this.#parent}.${own}`;
  }
}
