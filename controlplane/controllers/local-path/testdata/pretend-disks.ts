/**
 * What nodes do for local-path volumes, as agent/local-path does it, on disks that outlive every kill: a folder is there from when its volume is
 * first seen, and goes when it is asked for. It notes what should never happen.
 */
import type { Node, PersistentVolume } from '../../../../proto/api/core-v1.ts';
import type { Informer } from '../../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../../machinery/client/reconcile.ts';
import { nodes, persistentVolumeClaims, persistentVolumes } from '../../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../../machinery/client/work-queue.ts';
import {
  LOCAL_PATH_REMOVE,
  LOCAL_PATH_REMOVED,
  LOCAL_PATH_ROOT,
  isLocalPathVolume,
  namesIn,
  namesText,
} from '../../../../machinery/meta/local-path.ts';
import { absent } from '../../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../../runtime/controller.ts';
import { nodeNameOf } from '../plan.ts';

export class PretendDisks {
  /** Names of folders by node. */
  readonly folders = new Map<string, Set<string>>();
  /** Folders that went while somebody had a right to them. */
  readonly lost: string[] = [];

  on(nodeName: string): Set<string> {
    const folders = this.folders.get(nodeName) ?? new Set();
    this.folders.set(nodeName, folders);
    return folders;
  }

  readonly create = (context: ControllerContext): Controller => new PretendAgents(context, this);
}

/** The agents of all nodes. Keys: nodes. */
class PretendAgents implements Controller, Reconciler {
  readonly name = 'pretend-agents';
  private readonly queue: WorkQueue;
  private readonly nodes: Informer<Node>;
  private readonly volumes: Informer<PersistentVolume>;
  private readonly context: ControllerContext;
  private readonly disks: PretendDisks;

  constructor(context: ControllerContext, disks: PretendDisks) {
    this.context = context;
    this.disks = disks;
    this.queue = new WorkQueue({ clock: context.clock });
    this.nodes = context.informers.informer(nodes);
    this.volumes = context.informers.informer(persistentVolumes);
    const onNode = ({ metadata }: Node): void => this.queue.add(metadata.name ?? '');
    this.nodes.addHandler({ onAdd: onNode, onUpdate: (_older, node) => onNode(node) });
    this.volumes.addHandler({
      onAdd: volume => {
        if (isLocalPathVolume(volume)) this.disks.on(nodeNameOf(volume)).add(volume.metadata.name ?? '');
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.nodes, this.volumes] }, signal);
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const node = this.nodes.lister.get(undefined, name);
    if (node === undefined) return 'awaitChange';
    const { client } = this.context;
    const asked = namesIn(node, LOCAL_PATH_REMOVE);
    const answered = namesIn(node, LOCAL_PATH_REMOVED);
    for (const folder of asked.filter(one => !answered.includes(one) && this.disks.on(name).has(one))) {
      const { items } = await client.of(persistentVolumeClaims).list({ resourceVersion: '', signal });
      if (items.some(({ spec }) => spec.volumeName === folder)) this.disks.lost.push(`${folder}, of a claim`);
      const volume = await client
        .of(persistentVolumes)
        .get({ name: folder }, signal)
        .catch(() => undefined);
      if (volume !== undefined && volume.metadata.deletionTimestamp === undefined)
        this.disks.lost.push(`${folder}, of a volume`);
      this.disks.on(name).delete(folder);
    }
    const wanted = { [LOCAL_PATH_ROOT]: '/data', [LOCAL_PATH_REMOVED]: namesText(asked) };
    const has = node.metadata.annotations ?? {};
    if (Object.entries(wanted).every(([key, value]) => (has[key] ?? null) === value)) return 'awaitChange';
    await client.of(nodes).patch({ name }, { metadata: { annotations: wanted } }, { type: 'merge', signal }).catch(absent);
    return 'awaitChange';
  }
}
