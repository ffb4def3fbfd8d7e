import { describe, expect, test } from '@jest/globals';
import { layoutFromMounts, allDirectories } from './cgroup-layout.ts';
import { isMountPoint, parseMountinfo } from './mountinfo.ts';
import { findDoubleMounts } from './netns.ts';

const line = (mountPoint: string, fsType: string, superOptions = 'rw', optional = '') =>
  `36 35 98:0 / ${mountPoint} rw,noatime ${optional}${optional === '' ? '' : ' '}- ${fsType} src ${superOptions}`;

describe('parseMountinfo()', () => {
  test('reads every field, with any number of optional ones', () => {
    const text = '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n';
    expect(parseMountinfo(text)).toEqual([
      {
        id: 36,
        parentId: 35,
        device: '98:0',
        root: '/mnt1',
        mountPoint: '/mnt2',
        options: ['rw', 'noatime'],
        propagation: ['master:1', 'shared:2'],
        fsType: 'ext3',
        source: '/dev/root',
        superOptions: ['rw', 'errors=continue'],
      },
    ]);
    expect(parseMountinfo(line('/a', 'tmpfs'))[0]).toMatchObject({ propagation: [], fsType: 'tmpfs' });
  });

  test('takes back the escapes of spaces, tabs and backslashes', () => {
    const mounts = parseMountinfo(line('/a\\040b\\011c\\134d', 'tmpfs'));
    expect(mounts[0]?.mountPoint).toBe('/a b\tc\\d');
    expect(isMountPoint(mounts, '/a b\tc\\d')).toBe(true);
  });
});

describe('layoutFromMounts()', () => {
  const layout = (...lines: string[]) => layoutFromMounts(parseMountinfo(lines.join('\n')));

  test('v2 alone', () => {
    expect(layout(line('/sys/fs/cgroup', 'cgroup2'))).toEqual({ shape: 'v2', mountPoint: '/sys/fs/cgroup' });
  });

  test('v1 alone, with controllers that share a hierarchy', () => {
    const v1 = layout(
      line('/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'rw,cpu,cpuacct'),
      line('/sys/fs/cgroup/systemd', 'cgroup', 'rw,xattr,name=systemd'),
      line('/elsewhere/cpu', 'cgroup', 'rw,cpu,cpuacct'),
    );
    expect(v1).toMatchObject({ shape: 'v1', others: ['/sys/fs/cgroup/systemd'] });
    expect(allDirectories(v1, '/k')).toEqual(['/sys/fs/cgroup/cpu,cpuacct/k', '/sys/fs/cgroup/systemd/k']);
  });

  test('hybrid is used through v1', () => {
    const hybrid = layout(
      line('/sys/fs/cgroup/memory', 'cgroup', 'rw,memory'),
      line('/sys/fs/cgroup/unified', 'cgroup2'),
    );
    expect(hybrid).toMatchObject({ shape: 'hybrid', others: ['/sys/fs/cgroup/unified'] });
    expect(hybrid.shape === 'hybrid' && [...hybrid.controllers]).toEqual([['memory', '/sys/fs/cgroup/memory']]);
  });

  test('none at all is an error that says what to do', () => {
    expect(() => layout(line('/', 'ext4'))).toThrow('mount -t cgroup2');
  });
});

test('findDoubleMounts() counts what is too many', () => {
  const ns = (name: string) => line(`/run/netns/${name}`, 'nsfs');
  const lines = [ns('a'), ns('b'), ns('a'), ns('a'), line('/run/netns', 'tmpfs')];
  const mounts = parseMountinfo(lines.map((text, id) => text.replace(/^\d+/, String(id))).join('\n'));
  expect([...findDoubleMounts(mounts)]).toEqual([['/run/netns/a', 2]]);
});

test('findDoubleMounts() takes mounts that are peers for one', () => {
  const peer = (id: number, parent: number, name: string, group: number) =>
    `${id} ${parent} 0:4 net:[4026532201] /run/netns/${name} rw shared:${group} - nsfs nsfs rw`;
  const mounts = parseMountinfo(
    [peer(1, 9, 'a', 90), peer(2, 8, 'a', 90), peer(3, 9, 'b', 91), peer(4, 8, 'b', 92)].join('\n'),
  );
  expect([...findDoubleMounts(mounts)]).toEqual([['/run/netns/b', 1]]);
});
