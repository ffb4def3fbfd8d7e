/**
 * Grows file systems and devices on the node once their volumes have grown (by the driver's external-resizer): the claim's status then says
 * the new size. Nodes may not watch claims, so each volume that can grow is looked at now and then.
 */
import { subjectOf } from '../../../../machinery/client/event-recorder.ts';
import { persistentVolumeClaims, persistentVolumes, pods } from '../../../../machinery/client/resource.ts';
import { parseQuantity } from '../../../../machinery/meta/quantity.ts';
import { isNotFound } from '../../../../machinery/meta/status-error-from.ts';
import type { PersistentVolumeClaimStatus } from '../../../../proto/api/core-v1.ts';
import { CsiError } from './csi-client.ts';
import type { CsiContext } from './csi-context.ts';
import type { CsiDrivers } from './csi-drivers.ts';
import { stageOf, type CsiOrder } from './csi-order.ts';
import type { PublishedAt } from './file-systems.ts';
import { growthDue, grownStatus, infeasibleStatus, mayGrow } from './plan/claim-growth.ts';
import { volumeCapability } from './plan/volume-capability.ts';
import type { PublishInputs } from './publish-inputs.ts';
import type { VolumeTurns } from './volume-turns.ts';

const LOOK_MS = 10_000;
const LONGEST_MS = 600_000;

export class VolumeExpansion {
  private readonly context: CsiContext;
  private readonly drivers: CsiDrivers;
  private readonly inputs: PublishInputs;
  private readonly turns: VolumeTurns;

  constructor(context: CsiContext, drivers: CsiDrivers, inputs: PublishInputs, turns: VolumeTurns) {
    this.context = context;
    this.drivers = drivers;
    this.inputs = inputs;
    this.turns = turns;
  }

  /** Looks at the volume until the pod no longer wants it. */
  follow(order: CsiOrder, at: PublishedAt): void {
    const { clock, logger } = this.context;
    const { ended, bound } = order.request;
    if (bound === undefined || order.volume.readOnly) return;
    let failures = 0;
    let cancel = (): void => {};
    const look = async (): Promise<void> => {
      try {
        await this.growIfDue(order, at, ended);
        failures = 0;
      } catch (error) {
        if (ended.aborted) return;
        failures++;
        logger.debug({ err: error, volume: order.volume.name }, 'A volume does not grow; trying again');
      }
      if (!ended.aborted) cancel = clock.after(Math.min(LOOK_MS * 2 ** failures, LONGEST_MS), () => void look());
    };
    ended.addEventListener('abort', () => cancel(), { once: true });
    void look();
  }

  private async growIfDue(order: CsiOrder, at: PublishedAt, signal: AbortSignal): Promise<void> {
    if ((await this.due(order, signal)) === undefined) return;
    await this.turns.run(order.unique, signal, async () => {
      // Another pod's volume may be the same, and may have been first.
      const due = await this.due(order, signal);
      if (due !== undefined) await this.grow(order, at, due, signal);
    });
  }

  private async due(order: CsiOrder, signal: AbortSignal) {
    const { client } = this.context;
    const { claim: was, volume } = order.request.bound ?? {};
    if (was === undefined || volume === undefined) return undefined;
    try {
      const claim = await client.of(persistentVolumeClaims).get(ref(was), signal);
      if (claim.metadata.uid !== was.metadata.uid || !mayGrow(claim)) return undefined;
      const live = await client.of(persistentVolumes).get({ name: volume.metadata.name ?? '' }, signal);
      const size = growthDue(claim, live);
      return size === undefined ? undefined : { claim, size };
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  private async grow(
    order: CsiOrder,
    at: PublishedAt,
    { claim, size }: NonNullable<Awaited<ReturnType<VolumeExpansion['due']>>>,
    signal: AbortSignal,
  ): Promise<void> {
    const { recorder, stages } = this.context;
    const { volume, pod } = order;
    // The driver may have started anew since.
    const client = await this.drivers.client(volume.driver, signal);
    const subject = subjectOf(pods, pod);
    // A driver that has nothing to do on the node does not offer the call.
    if (await client.can('EXPAND_VOLUME', signal)) {
      const call = {
        volumeId: volume.handle,
        volumePath: at.path,
        stagingTargetPath: at.stagingPath,
        capacityRange: { requiredBytes: BigInt(parseQuantity(size).value()) },
        volumeCapability: volumeCapability(volume, {
          tellsWritersApart: await client.can('SINGLE_NODE_MULTI_WRITER', signal),
          mountGroup: '',
          seLinuxOption: '',
        }),
        secrets: await this.inputs.secrets(volume.expandSecret, signal),
      };
      try {
        const slow = stageOf(pod, volume.driver, volume.name, 'NodeExpandVolume');
        await stages.watch(slow, () => client.expand(call, signal));
      } catch (error) {
        signal.throwIfAborted();
        const why = (error as Error).message;
        const message = `MountVolume.NodeExpandVolume failed for volume "${volume.name}" : ${why}`;
        recorder.event(subject, 'Warning', 'VolumeResizeFailed', message);
        if (error instanceof CsiError && error.isInfeasible) await this.write(claim, infeasibleStatus(), signal);
        throw error;
      }
    }
    await this.write(claim, grownStatus(claim, size), signal);
    const message = `MountVolume.NodeExpandVolume succeeded for volume "${volume.name}" ${this.context.nodeName}`;
    recorder.event(subject, 'Normal', 'FileSystemResizeSuccessful', message);
    recorder.event(subjectOf(persistentVolumeClaims, claim), 'Normal', 'FileSystemResizeSuccessful', message);
  }

  private async write(
    claim: Parameters<typeof ref>[0],
    status: Partial<PersistentVolumeClaimStatus>,
    signal: AbortSignal,
  ): Promise<void> {
    const options = { type: 'strategic', subresource: 'status', signal } as const;
    await this.context.client.of(persistentVolumeClaims).patch(ref(claim), { status }, options);
  }
}

function ref({ metadata }: { metadata: { namespace?: string | undefined; name?: string | undefined } }) {
  return { namespace: metadata.namespace ?? '', name: metadata.name ?? '' };
}
