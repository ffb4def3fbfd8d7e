/** Images as read-only volumes: they are pulled here and mounted by the runtime. Source: kubernetes.io/docs, "image"; KEP-4639. */
import type { ImageVolumeSource, Pod } from '../../../../proto/api/core-v1.ts';
import type { Clock } from '../../../../machinery/process/clock.ts';
import type { ImageState } from '../../images/image-manager.ts';
import { allContainers } from '../../plan/pod-spec.ts';
import type { VolumeKind } from '../volume-kind.ts';

export interface ImageVolumesOptions {
  readonly clock: Clock;
  /** Pulls it, or tells why it cannot be had. */
  readonly ensureImage: (pod: Pod, source: ImageVolumeSource) => Promise<ImageState>;
  /** Why the runtime cannot mount images, or parts of them; undefined: it can. */
  readonly refusedByRuntime: (use: 'whole' | 'part') => string | undefined;
}

/** A pull goes on by itself; while one does, it costs nothing to ask again. */
const ASK_AGAIN_MS = 250;

export function imageVolumes({ clock, ensureImage, refusedByRuntime }: ImageVolumesOptions): VolumeKind {
  return {
    plugins: [],
    owns: volume => volume.image !== undefined,
    async prepare({ pod, volume }, signal) {
      const refused = refusedByRuntime(mountsParts(pod, volume.name) ? 'part' : 'whole');
      if (refused !== undefined) throw new Error(refused);
      const source = volume.image ?? {};
      for (;;) {
        const state = await ensureImage(pod, source);
        if (state.kind === 'present')
          return { hostPath: '', readOnly: true, selinuxRelabel: false, image: state.image.id };
        if (state.kind === 'waiting') throw new Error(`${state.reason}: ${state.message}`);
        await clock.sleep(ASK_AGAIN_MS, signal);
      }
    },
  };
}

function mountsParts(pod: Pod, volumeName: string): boolean {
  return allContainers(pod).some(({ container: { volumeMounts = [] } }) =>
    volumeMounts.some(
      ({ name, subPath = '', subPathExpr = '' }) => name === volumeName && `${subPath}${subPathExpr}` !== '',
    ),
  );
}
