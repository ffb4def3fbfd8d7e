import { expect, test } from '@jest/globals';
import { VolumesInUse } from './volumes-in-use.ts';

test('VolumesInUse names what pods want and what lies on disk, until both are over', () => {
  let changes = 0;
  const inUse = new VolumesInUse(() => changes++);
  inUse.restore(['left']);
  const [one, two] = [new AbortController(), new AbortController()];
  inUse.want('v', 'one', one.signal);
  inUse.want('v', 'two', two.signal);
  inUse.placed('v');
  expect(inUse.names()).toEqual(['left', 'v']);
  one.abort();
  two.abort();
  expect(inUse.names()).toEqual(['left', 'v']);
  const before = changes;
  inUse.released('v');
  inUse.released('left');
  expect(inUse.names()).toEqual([]);
  expect(changes).toBe(before + 2);
});

test('VolumesInUse forgets what was wanted and never mounted', () => {
  let changes = 0;
  const inUse = new VolumesInUse(() => changes++);
  const pod = new AbortController();
  inUse.want('v', 'one', pod.signal);
  inUse.want('v', 'one', pod.signal);
  expect([inUse.names(), changes]).toEqual([['v'], 1]);
  pod.abort();
  expect([inUse.names(), changes]).toEqual([[], 2]);
});
