import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually } from '../../machinery/process/testdata/eventually.ts';
import type { Plugin, PostFilterResult } from './framework/framework.ts';
import { defaultProfile } from './plugins/default-profile.ts';
import { pluginRegistry } from './plugins/registry.ts';
import { OneScheduler } from './testdata/one-scheduler.ts';

let one: OneScheduler;
beforeEach(async () => (one = await OneScheduler.serve()));
afterEach(() => one.close());

test('a PostFilter that takes its time keeps its own pod waiting, and no other', async () => {
  let answer: ((result: PostFilterResult) => void) | undefined;
  const slow: Plugin = { name: 'Slow', postFilter: () => new Promise(resolve => (answer = resolve)) };
  const last: Plugin = { name: 'Last', postFilter: () => ({ message: 'last: nothing either.' }) };
  const own = [slow, last];
  const multiPoint = [...defaultProfile.multiPoint, ...own.map(({ name }) => ({ name }))];
  const registry = new Map([...pluginRegistry, ...own.map(plugin => [plugin.name, () => plugin] as const)]);
  await one.node('a');
  one.run({ registry, profiles: [{ ...defaultProfile, multiPoint }] });
  await one.pod('huge', '9');
  await eventually('it is asked about', () => answer);
  await one.pod('p');
  expect(await eventually('p is bound', () => one.nodeOf('p'))).toBe('a');
  expect(await one.waitsFor('huge')).toBeUndefined();
  answer?.({ message: 'slow: nothing to be done.' });
  expect(await eventually('huge is told', () => one.waitsFor('huge'))).toMatch(
    /Insufficient cpu\. .*slow: nothing to be done\. last: nothing either\.$/,
  );
});
