/**
 * Disks and folders of one node, by claims (`local` of a persistent volume). A folder is used where it is; a disk is mounted for each pod,
 * formatted first if it is empty, or handed to the container as it is (`volumeMode: Block`).
 *
 * Source: kubernetes.io/docs, "local"; kubernetes `pkg/volume/local/local.go`.
 */
import { mkdir } from 'node:fs/promises';
import { subjectOf } from '../../../../machinery/client/event-recorder.ts';
import { pods } from '../../../../machinery/client/resource.ts';
import type { PersistentVolume } from '../../../../proto/api/core-v1.ts';
import { formatIfEmpty, mountDevice } from '../../../host/block-device.ts';
import type { GuardedFiles } from '../../../host/files/guarded-files.ts';
import type { StageWatch } from '../../pods/slow-stages.ts';
import { giveToPodGroup, type TellProgress } from '../pod-group.ts';
import { checkAnswers } from '../check-answers.ts';
import { volumeFolder, type VolumeKind } from '../volume-kind.ts';

const PLUGIN = 'kubernetes.io~local-volume';

export interface LocalVolumesOptions {
  readonly files: GuardedFiles;
  readonly stages: StageWatch;
  readonly tell: TellProgress;
  /** See KubeletOptions. */
  readonly makeFolder: ((volume: PersistentVolume) => Promise<void>) | undefined;
}

export function localVolumes({ files, stages, tell, makeFolder }: LocalVolumesOptions): VolumeKind {
  return {
    plugins: [PLUGIN],
    owns: (_, bound) => bound?.volume.spec.local !== undefined,
    async prepare(request, signal) {
      const { pod, volume, bound, readOnly, isBlock } = request;
      const { path = '', fsType = 'ext4' } = bound?.volume.spec.local ?? {};
      const check = (type: string): Promise<string> => files.run('checkPath', { path, type }, { signal });
      if (bound !== undefined) await makeFolder?.(bound.volume);
      const problem = await check(isBlock ? 'BlockDevice' : 'Existing');
      if (problem !== '') throw new Error(problem);
      if (isBlock) return { hostPath: '', devicePath: path, readOnly, selinuxRelabel: false };
      let folder = path;
      if ((await check('BlockDevice')) === '') {
        folder = volumeFolder(request, PLUGIN);
        await mkdir(folder, { recursive: true, mode: 0o750 });
        const waitsFor = `mkfs.${fsType} or mount does not end; see the kernel's log for errors of the disk`;
        const stage = {
          subject: subjectOf(pods, pod),
          doing: `Mounting ${path} for volume "${volume.name}"`,
          waitsFor,
        };
        await stages.watch(stage, async () => {
          await formatIfEmpty(path, fsType, signal);
          await mountDevice(path, folder, { fsType, readOnly, options: bound?.volume.spec.mountOptions ?? [] }, signal);
        });
      } else {
        const wrong = await check('Directory');
        if (wrong !== '') throw new Error(`path "${path}" is neither a folder nor a block device`);
      }
      if (!readOnly) await giveToPodGroup(files, pod, folder, signal, tell);
      return { hostPath: folder, readOnly, selinuxRelabel: false };
    },
    check: (_, prepared, signal) => checkAnswers(files, prepared, signal),
    usage: (_, { hostPath }, signal) =>
      hostPath === '' ? Promise.resolve(undefined) : files.run('filesystemUsage', { path: hostPath }, { signal }),
  };
}
