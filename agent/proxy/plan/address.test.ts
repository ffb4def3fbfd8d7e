import { describe, expect, test } from '@jest/globals';
import { canonicalAddress, familyOf } from './address.ts';

describe('canonicalAddress()', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['010.0.0.1', undefined],
    ['10.0.0.256', undefined],
    ['', undefined],
    [':', undefined],
    ['::', '::'],
    ['::1', '::1'],
    ['FD00:0:0::00Ab', 'fd00::ab'],
    ['fd00:0:0:1:0:0:0:1', 'fd00:0:0:1::1'],
    ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
    ['1:0:0:2:0:0:3:4', '1::2:0:0:3:4'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['::ffff:1.2.3.4', '::ffff:102:304'],
    ['1.2.3.4::', undefined],
    ['1:2:3:4:5:6:7:8:9', undefined],
    ['1::2::3', undefined],
    [':::', undefined],
    ['fe80::1%eth0', undefined],
    ['12345::', undefined],
  ])('%s is %s', (text, want) => {
    expect(canonicalAddress(text)).toBe(want);
    expect(familyOf(text)).toBe(want === undefined ? undefined : want.includes(':') ? 'IPv6' : 'IPv4');
  });
});
