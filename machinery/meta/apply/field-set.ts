/**
 * Sets of field paths as a tree whose edges are the steps of FieldsV1: `f:name`, `k:{"name":"x"}`, `v:"x"`, `i:0`.
 *
 * A node that is a `member` stands for its own path; inner nodes may be none. No node without members is kept.
 * Source: structured-merge-diff `fieldpath.Set`, and its JSON form in `metadata.managedFields[].fieldsV1`.
 */
import { canonicalJson, isJsonObject, type JsonObject } from '../json-value.ts';

/** A set of paths below one place. Mutable while it is built; operations below make new ones. */
export class FieldSet {
  member = false;
  children: Map<string, FieldSet> | undefined;

  /** The node at `step`, made if it is not there. */
  child(step: string): FieldSet {
    this.children ??= new Map();
    let node = this.children.get(step);
    if (node === undefined) this.children.set(step, (node = new FieldSet()));
    return node;
  }

  /** Adds one path. */
  insert(path: readonly string[]): FieldSet {
    const node = path.reduce((at: FieldSet, step) => at.child(step), this);
    node.member = true;
    return node;
  }

  get isEmpty(): boolean {
    return !this.member && (this.children === undefined || this.children.size === 0);
  }

  /** Every path, in the order of its steps. */
  paths(): string[][] {
    const found: string[][] = [];
    const visit = (node: FieldSet, path: string[]): void => {
      if (node.member) found.push(path);
      for (const step of sortedSteps(node)) visit(node.child(step), [...path, step]);
    };
    visit(this, []);
    return found;
  }
}

/** Paths of either set. */
export function union(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet {
  const result = new FieldSet();
  result.member = (a?.member ?? false) || (b?.member ?? false);
  const left = a?.children;
  const right = b?.children;
  if (left === undefined || right === undefined) {
    // Sets are not changed once built, so a side that stands alone can be shared.
    const only = left ?? right;
    if (only !== undefined) result.children = new Map(only);
    return result;
  }
  result.children = new Map(left);
  for (const [step, node] of right) {
    const other = left.get(step);
    result.children.set(step, other === undefined ? node : union(other, node));
  }
  return result;
}

/** Paths of both sets. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const result = new FieldSet();
  result.member = a.member && b.member;
  for (const [step, node] of a.children ?? []) {
    const other = b.children?.get(step);
    if (other !== undefined) keep(result, step, intersection(node, other));
  }
  return result;
}

/** Paths of `a` that are not in `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const result = new FieldSet();
  result.member = a.member && !b.member;
  for (const [step, node] of a.children ?? []) {
    const other = b.children?.get(step);
    keep(result, step, other === undefined ? node : difference(node, other));
  }
  return result;
}

/** Paths of `a` that are neither in `b` nor below a path of `b`. */
export function withoutSubtrees(a: FieldSet, b: FieldSet): FieldSet {
  if (b.member) return new FieldSet();
  const result = new FieldSet();
  result.member = a.member;
  for (const [step, node] of a.children ?? []) {
    const other = b.children?.get(step);
    keep(result, step, other === undefined ? node : withoutSubtrees(node, other));
  }
  return result;
}

/** Whether both hold the same paths. */
export function equalSets(a: FieldSet, b: FieldSet): boolean {
  if (a === b) return true;
  if (a.member !== b.member || (a.children?.size ?? 0) !== (b.children?.size ?? 0)) return false;
  for (const [step, node] of a.children ?? []) {
    const other = b.children?.get(step);
    if (other === undefined || !equalSets(node, other)) return false;
  }
  return true;
}

/** The JSON form, steps sorted. */
export function encodeFieldSet(set: FieldSet): JsonObject {
  const json: JsonObject = {};
  for (const step of sortedSteps(set)) {
    const node = set.children?.get(step);
    if (node === undefined) continue;
    const inner = encodeFieldSet(node);
    json[step] = node.member && Object.keys(inner).length > 0 ? { '.': {}, ...inner } : inner;
  }
  return json;
}

/** Reads the JSON form; what it does not understand is left out. */
export function decodeFieldSet(json: unknown): FieldSet {
  const set = new FieldSet();
  if (!isJsonObject(json)) return set;
  for (const step in json) {
    const value = json[step];
    if (step === '.') {
      set.member = true;
      continue;
    }
    const canonical = canonicalStep(step);
    if (canonical === undefined) continue;
    const node = decodeFieldSet(value);
    if (node.children === undefined) node.member = true;
    (set.children ??= new Map()).set(canonical, node);
  }
  return set;
}

function keep(set: FieldSet, step: string, node: FieldSet): void {
  if (!node.isEmpty) (set.children ??= new Map()).set(step, node);
}

function sortedSteps(set: FieldSet): string[] {
  return set.children === undefined ? [] : [...set.children.keys()].sort();
}

function canonicalStep(step: string): string | undefined {
  if (step.startsWith('f:') || /^i:\d+$/.test(step)) return step;
  if (!step.startsWith('k:') && !step.startsWith('v:')) return undefined;
  try {
    return step.slice(0, 2) + canonicalJson(JSON.parse(step.slice(2)));
  } catch {
    return undefined;
  }
}
