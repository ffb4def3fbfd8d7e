/**
 * Staging and publishing as volumes of both modes need it: what a driver is called with, watched while it is, and its failures in upstream's
 * words.
 */
import { mkdir } from 'node:fs/promises';
import type { CsiContext } from './csi-context.ts';
import { failed, stageOf, type CsiOrder } from './csi-order.ts';
import type { volumeCapability } from './plan/volume-capability.ts';
import type { PublishInputs } from './publish-inputs.ts';

interface Call {
  readonly capability: ReturnType<typeof volumeCapability>;
  /** '' when the driver does not stage. */
  readonly stagingPath: string;
  /** As upstream names it in events: `MountVolume.SetUp`. */
  readonly step: string;
}

export class StagingCalls {
  private readonly context: CsiContext;
  private readonly inputs: PublishInputs;
  /** Names of volumes that this process has staged. */
  private readonly staged = new Set<string>();

  constructor(context: CsiContext, inputs: PublishInputs) {
    this.context = context;
    this.inputs = inputs;
  }

  /**
   * Once a volume and life of this process; a driver takes it twice.
   * @param begin runs before the driver is asked, once the folder is there
   * @throws VolumeError
   */
  async stage(order: CsiOrder, call: Call, signal: AbortSignal, begin?: () => Promise<void>): Promise<void> {
    const { client, volume, unique } = order;
    const { capability, stagingPath, step } = call;
    if (this.staged.has(unique)) return;
    await this.watched(order, step, 'NodeStageVolume', signal, async () => {
      await mkdir(stagingPath, { recursive: true, mode: 0o750 });
      await begin?.();
      const request = {
        volumeId: volume.handle,
        publishContext: order.publishContext,
        stagingTargetPath: stagingPath,
        volumeCapability: capability,
        secrets: await this.inputs.secrets(volume.stageSecret, signal),
        volumeContext: volume.attributes,
      };
      return () => client.stage(request, signal);
    });
    this.staged.add(unique);
  }

  /** @param path where the pod is to find it @throws VolumeError */
  async publish(order: CsiOrder, call: Call & { readonly path: string }, signal: AbortSignal): Promise<void> {
    const { client, volume } = order;
    await this.watched(order, call.step, 'NodePublishVolume', signal, async () => {
      const request = {
        volumeId: volume.handle,
        publishContext: order.publishContext,
        stagingTargetPath: call.stagingPath,
        targetPath: call.path,
        volumeCapability: call.capability,
        readonly: volume.readOnly,
        ...(await this.inputs.gather(order, signal)),
      };
      return () => client.publish(request, signal);
    });
  }

  /** The driver has let go of it. @param unique the volume's name on the node */
  unstaged(unique: string): void {
    this.staged.delete(unique);
  }

  /** @param prepare gathers what the call needs, which is no time of the driver's, and returns the call */
  private async watched(
    order: CsiOrder,
    step: string,
    method: string,
    signal: AbortSignal,
    prepare: () => Promise<() => Promise<void>>,
  ): Promise<void> {
    const { pod, volume } = order;
    try {
      const act = await prepare();
      await this.context.stages.watch(stageOf(pod, volume.driver, volume.name, method), act);
    } catch (error) {
      signal.throwIfAborted();
      throw failed(step, order, error);
    }
  }
}
