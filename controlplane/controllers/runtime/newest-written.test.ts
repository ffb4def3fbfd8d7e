import { expect, test } from '@jest/globals';
import type { ConfigMap } from '../../../proto/api/core-v1.ts';
import type { Informer, InformerHandler } from '../../../machinery/client/informer.ts';
import { ObjectCache } from '../../../machinery/client/object-cache.ts';
import { NewestWritten } from './newest-written.ts';

const version = (resourceVersion: string, uid = 'u'): ConfigMap => ({
  metadata: { namespace: 'n', name: 'a', uid, resourceVersion },
});

/** An informer whose cache and handlers are told of objects by hand. */
class Shown {
  readonly lister = new ObjectCache<ConfigMap>();
  private handler: InformerHandler<ConfigMap> | undefined;

  addHandler(handler: InformerHandler<ConfigMap>): void {
    this.handler = handler;
  }

  show(object: ConfigMap): void {
    const older = this.lister.get('n', 'a');
    this.lister.put(object);
    if (older !== undefined) this.handler?.onUpdate?.(older, object);
  }
}

function begin(): { shown: Shown; newest: NewestWritten<ConfigMap> } {
  const shown = new Shown();
  shown.show(version('1'));
  return { shown, newest: new NewestWritten(shown as unknown as Informer<ConfigMap>) };
}

test('what was written holds until it, or something newer, is shown', () => {
  const { shown, newest } = begin();
  newest.wrote(version('3'));
  expect(newest.of(version('1'))).toEqual(version('3'));
  shown.show(version('2'));
  expect(newest.of(version('2'))).toEqual(version('3'));
  shown.show(version('4'));
  expect(newest.of(version('4'))).toEqual(version('4'));
});

test('who still holds an object of before gets what was written, also after that was shown', () => {
  const { shown, newest } = begin();
  const held = version('1');
  newest.wrote(version('3'));
  shown.show(version('3'));
  expect(newest.of(held)).toEqual(version('3'));
});

test('another object of the name is not taken for it', () => {
  const { shown, newest } = begin();
  shown.show(version('9', 'other'));
  expect(newest.of(version('1'))).toEqual(version('1'));
});
