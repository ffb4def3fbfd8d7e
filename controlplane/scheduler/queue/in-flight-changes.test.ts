import { expect, test } from '@jest/globals';
import type { ClusterChange } from './cluster-change.ts';
import { InFlightChanges } from './in-flight-changes.ts';

const change = (name: string): ClusterChange => ({ resource: 'Node', actions: ['Add'], older: undefined, newer: name });

test('whoever is tried gets what changed since, and nothing is kept for nobody', () => {
  const changes = new InFlightChanges();
  changes.note(change('before'));
  changes.begin('a');
  changes.note(change('one'));
  changes.begin('b');
  changes.note(change('two'));
  expect(changes.end('a')).toEqual([change('one'), change('two')]);
  expect(changes.size).toBe(1);
  expect(changes.end('b')).toEqual([change('two')]);
  expect(changes.end('b')).toEqual([]);
  expect(changes.size).toBe(0);
});

test('of a long try’s changes the newest are kept; it is told that it missed some', () => {
  const changes = new InFlightChanges();
  changes.begin('long');
  let most = 0;
  for (let i = 0; i < 25_000; i++) {
    changes.note(change('early'));
    most = Math.max(most, changes.size);
  }
  expect(most).toBe(10_000);
  changes.begin('short');
  changes.note(change('late'));
  expect(changes.end('long')).toBeUndefined();
  expect(changes.end('short')).toEqual([change('late')]);
  expect(changes.size).toBe(0);
});
