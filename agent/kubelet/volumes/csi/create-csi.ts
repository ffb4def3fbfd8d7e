/** CSI on one node: the kind of volumes, the handler of drivers that register, and what runs beside them. */
import { csiDrivers } from '../../../../machinery/client/resource.ts';
import { isNotFound, isTransient } from '../../../../machinery/meta/status-error-from.ts';
import type { PluginHandler } from '../../plugins/plugin-handler.ts';
import { TokenSource } from '../token-source.ts';
import type { VolumeKind } from '../volume-kind.ts';
import { AllocatableUpdates } from './allocatable-updates.ts';
import { AttachmentWait } from './attachment-wait.ts';
import { BlockDevices } from './block-devices.ts';
import type { CsiContext } from './csi-context.ts';
import { CsiDrivers } from './csi-drivers.ts';
import { CsiVolumes } from './csi-volumes.ts';
import { FileSystems } from './file-systems.ts';
import { NodeDrivers } from './node-drivers.ts';
import { PublishInputs } from './publish-inputs.ts';
import { VolumeExpansion } from './volume-expansion.ts';
import { VolumeTurns } from './volume-turns.ts';
import { attachedVolumes } from './volume-users.ts';
import { VolumesInUse } from './volumes-in-use.ts';

export interface CsiOptions extends CsiContext {
  /** The volumes in use have changed: the node's status is due. Must not throw, must not block. */
  readonly reportInUse: () => void;
}

export interface Csi {
  readonly kind: VolumeKind;
  readonly plugins: PluginHandler;
  /** Finds what lies on the disk; before the node's status is first written. */
  restore(): Promise<void>;
  /** Has the node's CSINode made. Resolves once it is there, or the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

const RETRY_MS = 2_000;

export function createCsi(options: CsiOptions): Csi {
  const { client, clock, logger, nodeName, root, storage, reportInUse } = options;
  const node = new NodeDrivers(client, nodeName);
  const inUse = new VolumesInUse(reportInUse);
  const turns = new VolumeTurns(clock);
  const inputs = new PublishInputs(options, new TokenSource(client, clock));
  const stopped = new AbortController();
  const drivers = new CsiDrivers({ node, clock, logger, storage, onRegistered: driver => void takeUp(driver) });
  const updates = new AllocatableUpdates(clock, driver =>
    drivers.refresh(driver, stopped.signal).catch((error: unknown) => {
      if (!stopped.signal.aborted)
        logger.debug({ err: error, driver }, 'A CSI driver does not say how many volumes it takes');
    }),
  );
  const kind = new CsiVolumes({
    context: options,
    drivers,
    updates,
    attachments: new AttachmentWait({ client, clock, nodeName, reportInUse }),
    fileSystems: new FileSystems(options, inputs),
    blockDevices: new BlockDevices(options, inputs),
    expansion: new VolumeExpansion(options, drivers, inputs, turns),
    inputs,
    turns,
    inUse,
  });
  /** A driver can be asked: what was left to do with it is done. */
  const takeUp = async (driver: string): Promise<void> => {
    try {
      updates.follow(driver, await options.objects.get(csiDrivers, '', driver, stopped.signal));
      await kind.sweep(driver, stopped.signal);
    } catch (error) {
      if (!stopped.signal.aborted) logger.warn({ err: error, driver }, 'A volume that no pod has may stay staged');
    }
  };
  return {
    kind,
    plugins: drivers,
    restore: async () => inUse.restore(await attachedVolumes(root)),
    run: async signal => {
      const stop = (): void => {
        updates.stop();
        stopped.abort();
      };
      signal.addEventListener('abort', stop, { once: true });
      while (!signal.aborted) {
        try {
          return await node.ensure(signal);
        } catch (error) {
          if (signal.aborted) return;
          // A node that is not registered yet has none to own it.
          if (!isTransient(error) && !isNotFound(error)) logger.debug({ err: error }, 'The CSINode cannot be made');
          await clock.sleep(RETRY_MS, signal).catch(() => undefined);
        }
      }
    },
  };
}
