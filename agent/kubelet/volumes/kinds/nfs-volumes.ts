/** Exports of NFS servers, in pods (`nfs`) and by claims. Each pod has a mount of its own, as upstream's. */
import { access, mkdir, rmdir } from 'node:fs/promises';
import { subjectOf } from '../../../../machinery/client/event-recorder.ts';
import { pods } from '../../../../machinery/client/resource.ts';
import { mountDevice } from '../../../host/block-device.ts';
import type { GuardedFiles } from '../../../host/files/guarded-files.ts';
import type { StageWatch } from '../../pods/slow-stages.ts';
import { checkAnswers } from '../check-answers.ts';
import { volumeFolder, type VolumeKind } from '../volume-kind.ts';

const PLUGIN = 'kubernetes.io~nfs';
const MOUNT_PROGRAMS = ['/sbin/mount.nfs', '/usr/sbin/mount.nfs'];

export function nfsVolumes(files: GuardedFiles, stages: StageWatch): VolumeKind {
  return {
    plugins: [PLUGIN],
    owns: (volume, bound) => (bound === undefined ? volume : bound.volume.spec).nfs !== undefined,
    async prepare(request, signal) {
      const { pod, volume, bound } = request;
      const {
        server,
        path,
        readOnly = false,
      } = (bound === undefined ? volume : bound.volume.spec).nfs ?? {
        server: '',
        path: '',
      };
      const isReadOnly = readOnly || request.readOnly;
      const folder = volumeFolder(request, PLUGIN);
      await mkdir(folder, { recursive: true, mode: 0o750 });
      // Addresses of IPv6 stand in brackets before the colon.
      const source = `${server.includes(':') && !server.startsWith('[') ? `[${server}]` : server}:${path}`;
      const options = bound?.volume.spec.mountOptions ?? [];
      try {
        const waitsFor = 'the server does not answer mount.nfs; see whether it is up, and reachable from the node';
        const stage = {
          subject: subjectOf(pods, pod),
          doing: `Mounting ${source} for volume "${volume.name}"`,
          waitsFor,
        };
        await stages.watch(stage, () =>
          mountDevice(source, folder, { fsType: 'nfs', readOnly: isReadOnly, options }, signal),
        );
      } catch (error) {
        await rmdir(folder).catch(() => undefined);
        if (await isProgramMissing())
          throw new Error(`cannot mount ${source}: this node has no mount.nfs; install the package nfs-common on it`, {
            cause: error,
          });
        throw error;
      }
      return { hostPath: folder, readOnly: isReadOnly, selinuxRelabel: false };
    },
    check: (_, prepared, signal) => checkAnswers(files, prepared, signal),
    usage: (_, { hostPath }, signal) => files.run('filesystemUsage', { path: hostPath }, { signal }),
  };
}

async function isProgramMissing(): Promise<boolean> {
  const found = await Promise.allSettled(MOUNT_PROGRAMS.map(path => access(path)));
  return found.every(({ status }) => status === 'rejected');
}
