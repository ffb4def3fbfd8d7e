import { expect, test } from '@jest/globals';
import { NodeRanges } from './plan.ts';

test.each([
  { cidr: '10.42.0.0/16', want: ['10.42.0.0/24', '10.42.1.0/24'] },
  { cidr: '10.42.0.0/22', size: 26, want: ['10.42.0.0/26', '10.42.0.64/26'] },
  { cidr: 'fd00:10::/48', want: ['fd00:10::/64', 'fd00:10:0:1::/64'] },
  { cidr: 'fd00:10::/112', size: 120, want: ['fd00:10::/120', 'fd00:10::100/120'] },
  { cidr: 'fd00::/8', want: ['fd00::/64', 'fd00:0:0:1::/64'] },
])('take() gives parts of $cidr one by one', ({ cidr, size, want }) => {
  const ranges = new NodeRanges(cidr, size);
  expect(want.map(() => ranges.take())).toEqual(want);
});

test('what somebody holds is not given, and what came free is given last', () => {
  const ranges = new NodeRanges('10.0.0.0/22');
  expect(ranges.occupy('10.0.1.0/24')).toBe(true);
  expect([ranges.take(), ranges.take()]).toEqual(['10.0.0.0/24', '10.0.2.0/24']);
  ranges.release('10.0.0.0/24');
  expect([ranges.take(), ranges.take(), ranges.take()]).toEqual(['10.0.3.0/24', '10.0.0.0/24', undefined]);
});

test('a range that two hold is free when both let it go', () => {
  const ranges = new NodeRanges('10.0.0.0/24');
  ranges.occupy('10.0.0.0/24');
  ranges.occupy('10.0.0.0/24');
  ranges.release('10.0.0.0/24');
  expect(ranges.take()).toBeUndefined();
  ranges.release('10.0.0.0/24');
  expect(ranges.take()).toBe('10.0.0.0/24');
});

test.each([
  { name: 'larger than a part', cidr: '10.0.0.0/23', isOurs: true, next: '10.0.2.0/24' },
  { name: 'smaller than a part', cidr: '10.0.0.128/25', isOurs: true, next: '10.0.1.0/24' },
  { name: 'larger than all', cidr: '10.0.0.0/8', isOurs: true, next: undefined },
  { name: 'of elsewhere', cidr: '10.1.0.0/24', isOurs: false, next: '10.0.0.0/24' },
  { name: 'of the other family', cidr: 'fd00::/64', isOurs: false, next: '10.0.0.0/24' },
  { name: 'none', cidr: 'x', isOurs: false, next: '10.0.0.0/24' },
])('occupy() of a range $name', ({ cidr, isOurs, next }) => {
  const ranges = new NodeRanges('10.0.0.0/22');
  expect(ranges.occupy(cidr)).toBe(isOurs);
  expect(ranges.take()).toBe(next);
  ranges.release(cidr);
  const left = [ranges.take(), ranges.take(), ranges.take(), ranges.take()];
  expect(left.filter(range => range !== undefined)).toHaveLength(next === undefined ? 4 : 3);
});

test('a range that has no part for a node is refused', () => {
  expect(() => new NodeRanges('10.0.0.0/25')).toThrow(
    'Cluster range 10.0.0.0/25 cannot be split into node ranges of /24',
  );
});
