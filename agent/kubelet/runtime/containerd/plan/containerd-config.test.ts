import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parseContainerdVersion, renderContainerdConfig, type ContainerdConfigInput } from './containerd-config.ts';

const input: Omit<ContainerdConfigInput, 'version'> = {
  root: '/var/lib/k8ts/containerd',
  state: '/run/k8ts/containerd',
  socket: '/run/k8ts/containerd/containerd.sock',
  cniBinDirs: ['/usr/lib/cni', '/opt/cni/bin'],
  cniConfDir: '/etc/k8ts/cni/net.d',
  sandboxImage: 'docker.io/k8ts/pause:1',
  cgroupDriver: 'cgroupfs',
  registryConfigDir: '/etc/k8ts/registries',
  snapshotter: 'overlayfs',
  restrictOomScoreAdj: true,
  maxConcurrentDownloads: 3,
};

// Goldens: this renderer's own output, read once against containerd's documentation; 1.6's was loaded by a containerd 1.6.20.
test.each([
  { name: '1.6', version: { major: 1, minor: 6 } },
  { name: '1.7', version: { major: 1, minor: 7 } },
  { name: '2.0', version: { major: 2, minor: 0 } },
  { name: '2.1', version: { major: 2, minor: 1 } },
])('renderContainerdConfig() gives the golden of $name', ({ name, version }) => {
  const golden = join(import.meta.dirname, 'testdata', `containerd-${name}.toml`);
  const text = renderContainerdConfig({ ...input, version });
  if (process.env['UPDATE_GOLDENS'] !== undefined) writeFileSync(golden, text);
  expect(text).toBe(readFileSync(golden, 'utf8'));
});

test('renderContainerdConfig() follows cgroup driver and capabilities', () => {
  const version = { major: 1, minor: 7 };
  const text = renderContainerdConfig({ ...input, version, cgroupDriver: 'systemd', restrictOomScoreAdj: false });
  expect(text).toContain('SystemdCgroup = true');
  expect(text).toContain('restrict_oom_score_adj = false');
  expect(text).toContain('oom_score = -999');
});

test.each([
  ['containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3', { major: 1, minor: 6 }],
  ['containerd containerd.io 1.7.27 05044ec0a9a75232cad458027ca83437aae3f4da', { major: 1, minor: 7 }],
  ['containerd github.com/containerd/containerd/v2 v2.1.4 75cb2b7193e4', { major: 2, minor: 1 }],
  ['something else', undefined],
])('parseContainerdVersion() reads %s', (output, version) => {
  expect(parseContainerdVersion(output)).toEqual(version);
});
