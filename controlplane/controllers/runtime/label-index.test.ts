import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import { ObjectCache } from '../../../machinery/client/object-cache.ts';
import { parseLabelSelector } from '../../../machinery/meta/label-selector.ts';
import { indexByLabels, indexBySelector, selectedBy, selecting, SelectorIndex } from './label-index.ts';

function informerOf(objects: readonly Pod[]): Informer<Pod> {
  const lister = new ObjectCache<Pod>();
  for (const object of objects) lister.put(object);
  return { lister, addIndex: lister.addIndex.bind(lister) } as unknown as Informer<Pod>;
}

const NEITHER = parseLabelSelector('nobody=has,this=both');
const texts = ['', 'a=x', 'a in (x)', 'a in (x,y)', 'a,b=y', '!a', 'a!=x,b=x', 'b=y,a=x'];

test('who is found by an index is found by looking at all', () => {
  const value = fc.constantFrom('x', 'y');
  const labels = fc.record({ a: value, b: value }, { requiredKeys: [] });
  const object = fc.record({ namespace: fc.constantFrom('n', 'm'), labels, text: fc.constantFrom(...texts) });
  fc.assert(
    fc.property(fc.array(object), fc.constantFrom(...texts), labels, (objects, text, wanted) => {
      const made = objects.map(({ namespace, labels: own, text: selector }, i): Pod => {
        const metadata = { namespace, name: `${i}`, labels: own as Record<string, string>, annotations: { selector } };
        return { metadata, spec: { containers: [] } };
      });
      const informer = informerOf(made);
      indexByLabels(informer);
      const selector = parseLabelSelector(text);
      const named = (found: readonly Pod[]): (string | undefined)[] =>
        found.map(({ metadata }) => metadata.name).sort();
      const inPlace = made.filter(({ metadata }) => metadata.namespace === 'n');
      const matching = inPlace.filter(({ metadata }) => selector.matches(metadata.labels));
      expect(named(selectedBy(informer.lister, 'n', selector))).toEqual(named(matching));
      expect(selectedBy(informer.lister, 'n', NEITHER)).toEqual([]);

      const selectorOf = ({ metadata }: Pod) => parseLabelSelector(metadata.annotations?.['selector'] ?? '');
      indexBySelector({ informer, selectorOf });
      const choosing = inPlace.filter(pod => selectorOf(pod).matches(wanted as Record<string, string>));
      const found = selecting({ informer, selectorOf }, 'n', wanted as Record<string, string>);
      expect(named(found)).toEqual(named(choosing));
      const index = new SelectorIndex();
      for (const pod of made) index.set(pod.metadata.name ?? '', pod.metadata.namespace ?? '', selectorOf(pod));
      index.set('0', 'm', selector);
      index.delete('1');
      const others = named(choosing).filter(name => name !== '0' && name !== '1');
      expect(index.selecting('n', wanted as Record<string, string>).sort()).toEqual(others);
    }),
    { numRuns: 60 },
  );
});
