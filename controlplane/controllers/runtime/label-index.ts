/**
 * Who selects whom, without looking at all of a namespace: objects by their labels, and selectors by one label that they ask for.
 * Fifty thousand pods and five thousand services in one namespace are a lookup each, not the product of both.
 */
import type { Informer, Lister } from '../../../machinery/client/informer.ts';
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { LabelSelector } from '../../../machinery/meta/label-selector.ts';

const BY_LABEL = 'label';
const BY_SELECTOR = 'selectedLabel';
/** Stands for selectors that ask for no label with one value alone. */
const ANY = '*';
/** Of lists of at most this length the first one will do. */
const SHORT = 32;

type Labels = Readonly<Record<string, string>> | undefined;

export function indexByLabels<T extends AnyObject>(informer: Informer<T>): void {
  informer.addIndex(BY_LABEL, ({ metadata }) => pairsOf(metadata.namespace, metadata.labels));
}

/** Objects that `selector` selects; of an informer that `indexByLabels` was called for. In no particular order. */
export function selectedBy<T extends AnyObject>(lister: Lister<T>, namespace: string, selector: LabelSelector): T[] {
  let fewest: T[] | undefined;
  for (const pair of exactPairs(selector)) {
    const found = lister.byIndex(BY_LABEL, `${namespace}/${pair}`);
    if (fewest === undefined || found.length < fewest.length) fewest = found;
    if (fewest.length <= SHORT) break;
  }
  return (fewest ?? lister.list(namespace)).filter(({ metadata }) => selector.matches(metadata.labels));
}

export interface Selecting<T extends AnyObject> {
  readonly informer: Informer<T>;
  selectorOf(object: T): LabelSelector;
}

export function indexBySelector<T extends AnyObject>({ informer, selectorOf }: Selecting<T>): void {
  informer.addIndex(BY_SELECTOR, object => {
    const selector = selectorOf(object);
    // It selects nothing.
    if (selector.requirements.length === 0 && !selector.isEmpty) return [];
    return [`${object.metadata.namespace ?? ''}/${exactPairs(selector)[0] ?? ANY}`];
  });
}

/** Objects whose selector selects what has these labels; of an informer that `indexBySelector` was called for. */
export function selecting<T extends AnyObject>(
  { informer, selectorOf }: Selecting<T>,
  namespace: string | undefined,
  labels: Labels,
): T[] {
  const keys = [`${namespace ?? ''}/${ANY}`, ...pairsOf(namespace, labels)];
  return keys
    .flatMap(key => informer.lister.byIndex(BY_SELECTOR, key))
    .filter(object => selectorOf(object).matches(labels));
}

function pairsOf(namespace: string | undefined, labels: Labels): string[] {
  return Object.entries(labels ?? {}).map(([key, value]) => `${namespace ?? ''}/${key}=${value}`);
}

/** `key=value` of requirements that one value alone meets. */
function exactPairs({ requirements }: LabelSelector): string[] {
  return requirements
    .filter(({ operator, values }) => ['=', '==', 'in'].includes(operator) && values.length === 1)
    .map(({ key, values }) => `${key}=${values[0] ?? ''}`);
}

/** Selectors by key, for those that no informer has. */
export class SelectorIndex {
  private readonly byKey = new Map<string, { selector: LabelSelector; place: string }>();
  private readonly byPlace = new Map<string, Set<string>>();

  set(key: string, namespace: string, selector: LabelSelector): void {
    this.delete(key);
    const place = `${namespace}/${exactPairs(selector)[0] ?? ANY}`;
    this.byKey.set(key, { selector, place });
    const keys = this.byPlace.get(place);
    if (keys === undefined) this.byPlace.set(place, new Set([key]));
    else keys.add(key);
  }

  delete(key: string): void {
    const known = this.byKey.get(key);
    if (known === undefined) return;
    this.byKey.delete(key);
    const keys = this.byPlace.get(known.place);
    keys?.delete(key);
    if (keys?.size === 0) this.byPlace.delete(known.place);
  }

  /** Keys of the selectors that select what has these labels. */
  selecting(namespace: string, labels: Labels): string[] {
    const places = [`${namespace}/${ANY}`, ...pairsOf(namespace, labels)];
    const keys = places.flatMap(place => [...(this.byPlace.get(place) ?? [])]);
    return keys.filter(key => this.byKey.get(key)?.selector.matches(labels));
  }
}
