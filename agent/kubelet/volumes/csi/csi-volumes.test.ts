import { expect, test } from '@jest/globals';
import type { GuardedFiles } from '../../../host/files/guarded-files.ts';
import type { VolumeRequest } from '../volume-kind.ts';
import { CsiVolumes, type CsiVolumesParts } from './csi-volumes.ts';

const { signal } = new AbortController();
const request = {} as VolumeRequest;

/** Of files whose file system hangs. */
function volumes(asked: string[]): CsiVolumes {
  const run = async (task: string, { path }: { path: string }): Promise<string> => {
    asked.push(`${task} ${path}`);
    throw new Error(`${path} does not answer`);
  };
  const files = { run } as unknown as GuardedFiles;
  return new CsiVolumes({ context: { files } } as unknown as CsiVolumesParts);
}

test('CsiVolumes.check() says that a file system hangs, before a container is started on it again', async () => {
  const prepared = { hostPath: '/pods/u/mount', readOnly: false, selinuxRelabel: false };
  const asked: string[] = [];
  await expect(volumes(asked).check(request, prepared, signal)).rejects.toThrow('/pods/u/mount does not answer');
  expect(asked).toEqual(['checkPath /pods/u/mount']);
});

test('CsiVolumes.check() leaves devices alone', async () => {
  const asked: string[] = [];
  const device = { hostPath: '', devicePath: '/dev/x', readOnly: false, selinuxRelabel: false };
  await volumes(asked).check(request, device, signal);
  expect(asked).toEqual([]);
});
