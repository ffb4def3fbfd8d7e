/**
 * Gives devices of plugins to containers, and remembers whose they are.
 *
 * - Devices are somebody's from before the plugin is asked until the pod ended: two pods never get the same, whatever hangs.
 * - A plugin that hangs or fails costs the pods that want its devices, nobody else.
 * - Whoever was given devices keeps them over restarts of container, plugin and kubelet.
 *
 * Source: kubernetes.io/docs, "Device Plugins"; `pkg/kubelet/cm/devicemanager/manager.go` 1.36.
 */
import type { Container, Pod, ResourceStatus } from '../../../../proto/api/core-v1.ts';
import type { NumaNode } from '../../../../machinery/meta/machine-topology.ts';
import type { Clock } from '../../../../machinery/process/clock.ts';
import { abandonOnAbort } from '../../pods/abandon.ts';
import { uidOf } from '../../plan/pod-spec.ts';
import { CheckpointFile } from '../checkpoint-file.ts';
import { NotEnoughError } from '../plan/admission-failure.ts';
import { readDeviceCheckpoint, writeDeviceCheckpoint } from '../plan/device-checkpoint.ts';
import { chooseDevices } from '../plan/choose-devices.ts';
import { endChoice, type DeviceChoice } from '../plan/device-choice.ts';
import { resourceHints } from '../plan/device-hints.ts';
import {
  checkGrant,
  deviceLimit,
  grantOf,
  groupByNode,
  idsOf,
  resourceStatus,
  takenDevices,
  withGrant,
  type DeviceGrant,
  type DeviceGrants,
  type DeviceResource,
} from '../plan/device-state.ts';
import type { NumaMask } from '../plan/numa-mask.ts';
import { givenContainers } from '../plan/pod-parts.ts';
import type { TopologyHint, TopologyHints } from '../plan/topology-policy.ts';
import type { DeviceExtras } from '../plan/with-extras.ts';
import type { ResourceGiver } from '../resource-giver.ts';
import { deviceExtras } from './device-extras.ts';
import { DeviceRegistry } from './device-registry.ts';
import { PluginCalls, type PluginCallsOptions } from './plugin-calls.ts';

export interface DeviceManagerOptions extends PluginCallsOptions {
  /** `kubelet_internal_checkpoint`, absolute. */
  readonly checkpointPath: string;
  readonly clock: Clock;
  readonly machine: () => readonly NumaNode[];
  /** The node has more or fewer devices. */
  readonly onAmounts: () => void;
  /** Devices that the pod has are healthy, or no longer. */
  readonly wake: (uid: string) => void;
}

export class DeviceManager implements ResourceGiver {
  readonly registry: DeviceRegistry;
  private readonly options: DeviceManagerOptions;
  private readonly file: CheckpointFile;
  private readonly calls: PluginCalls;
  private grants: DeviceGrants = new Map();
  private amountsTold = '';

  constructor(options: DeviceManagerOptions) {
    this.options = options;
    this.file = new CheckpointFile(options.checkpointPath);
    this.calls = new PluginCalls(options);
    const { clock, logger, metrics } = options;
    this.registry = new DeviceRegistry({
      clock,
      logger,
      onPlugin: resource => metrics.pluginRegistered(resource),
      onChange: resource => this.changed(resource),
    });
  }

  /** Reads who had what before the kubelet restarted. A file that cannot be used is told and passed over: containers keep what they have. */
  async restore(): Promise<void> {
    try {
      const text = await this.file.read();
      if (text === undefined) return;
      const { grants, resources } = readDeviceCheckpoint(text);
      this.grants = grants;
      for (const resource of resources) this.registry.expect(resource);
    } catch (error) {
      const what = 'Cannot read which pods have which devices; their containers keep them until they restart';
      this.options.logger.warn({ err: error, file: this.file.path }, what);
    }
  }

  /** Whether a plugin gives the resource, or gave it to somebody. */
  manages(resource: string): boolean {
    return this.registry.resource(resource) !== undefined || takenDevices(this.grants, resource).size > 0;
  }

  /** What the container has of each resource. */
  grantsOf(uid: string, container: string): ReadonlyMap<string, DeviceGrant> {
    return this.grants.get(uid)?.get(container) ?? new Map<string, DeviceGrant>();
  }

  holders(): Iterable<string> {
    return this.grants.keys();
  }

  hints(pod: Pod, container?: Container): TopologyHints {
    const containers = container === undefined ? givenContainers(pod) : [container];
    const names = new Set(containers.flatMap(one => this.resourcesOf(one)));
    const hints = new Map<string, readonly TopologyHint[] | undefined>();
    for (const name of names) {
      const resource = this.registry.resource(name);
      if (resource === undefined) continue;
      hints.set(name, resourceHints(this.options.machine(), this.grants, name, resource, pod, container));
    }
    return hints;
  }

  async give(pod: Pod, container: Container, nodes: NumaMask | undefined, signal: AbortSignal): Promise<void> {
    let changed = false;
    for (const resource of this.resourcesOf(container))
      changed = (await this.giveOne(pod, container, resource, nodes, signal)) || changed;
    if (changed) await this.save();
  }

  release(uid: string): void {
    if (!this.grants.has(uid)) return;
    const rest = new Map(this.grants);
    rest.delete(uid);
    this.grants = rest;
    this.saveSoon();
  }

  /** What the container is to be started with; plugins that want to know of a start are told. @throws as `give()` */
  async extras(pod: Pod, container: Container, signal: AbortSignal): Promise<DeviceExtras> {
    const uid = uidOf(pod);
    const names = this.resourcesOf(container);
    // What was given is missing only after the checkpoint was lost: it is given again.
    if (names.some(name => grantOf(this.grants, uid, container.name, name)?.response === undefined))
      await this.give(pod, container, undefined, signal);
    const responses = [];
    for (const name of names) {
      const grant = grantOf(this.grants, uid, container.name, name);
      const endpoint = this.registry.endpoint(name);
      if (grant?.response === undefined) continue;
      if (endpoint !== undefined) await this.calls.prepareStart(pod, endpoint, idsOf(grant), signal);
      responses.push(grant.response);
    }
    return deviceExtras(responses);
  }

  /** For `allocatedResourcesStatus`. */
  statusOf(uid: string, container: string): ResourceStatus[] {
    return [...this.grantsOf(uid, container)].map(([name, grant]) =>
      resourceStatus(name, grant, this.registry.resource(name)),
    );
  }

  /** Names of resources of plugins that the container asks for. */
  private resourcesOf(container: Container): string[] {
    const names = Object.keys(container.resources?.limits ?? {}).filter(name => name.includes('/'));
    return names.filter(name => deviceLimit(container, name) > 0 && this.manages(name)).sort();
  }

  /** @returns whether something was given */
  private async giveOne(
    pod: Pod,
    container: Container,
    resource: string,
    nodes: NumaMask | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    const uid = uidOf(pod);
    const count = deviceLimit(container, resource);
    await abandonOnAbort(this.registry.settled(resource), signal);
    const had = grantOf(this.grants, uid, container.name, resource);
    if (had?.response !== undefined) {
      checkGrant(pod, container.name, resource, count, had, this.known(resource));
      return false;
    }
    const endpoint = this.registry.endpoint(resource);
    const first = this.choose(pod, resource, count, nodes);
    const preferred = endpoint === undefined ? [] : await this.calls.preferred(pod, endpoint, first, count, signal);
    // Others may have been given some meanwhile.
    const ids = endChoice(this.choose(pod, resource, count, nodes), preferred);
    if (endpoint === undefined) throw new NotEnoughError(`unknown Device Plugin ${resource}`);
    const pending: DeviceGrant = { byNode: groupByNode(ids, this.known(resource)), response: undefined };
    this.grants = withGrant(this.grants, uid, container.name, resource, pending);
    const isOurs = (): boolean => grantOf(this.grants, uid, container.name, resource) === pending;
    try {
      const response = await this.calls.allocate(pod, endpoint, ids, signal);
      if (!isOurs()) throw new NotEnoughError(`the devices of ${resource} were taken back`);
      this.grants = withGrant(this.grants, uid, container.name, resource, { ...pending, response });
      return true;
    } catch (error) {
      if (isOurs()) this.grants = withGrant(this.grants, uid, container.name, resource, undefined);
      throw error;
    }
  }

  private choose(pod: Pod, resource: string, count: number, nodes: NumaMask | undefined): DeviceChoice {
    return chooseDevices(resource, this.known(resource), this.grants, pod, count, nodes);
  }

  private known(resource: string): DeviceResource {
    const known = this.registry.resource(resource);
    if (known === undefined) throw new NotEnoughError(`cannot allocate unregistered device ${resource}`);
    return known;
  }

  private changed(resource: string): void {
    const amounts = JSON.stringify(this.registry.amounts());
    if (amounts !== this.amountsTold) this.options.onAmounts();
    this.amountsTold = amounts;
    for (const [uid, containers] of this.grants)
      if ([...containers.values()].some(resources => resources.has(resource))) this.options.wake(uid);
    this.saveSoon();
  }

  private save(): Promise<void> {
    return this.file.save(() => writeDeviceCheckpoint(this.grants, this.registry.resources()));
  }

  private saveSoon(): void {
    this.save().catch((error: unknown) => {
      const what = 'Cannot write down which pods have which devices';
      this.options.logger.warn({ err: error, file: this.file.path }, what);
    });
  }
}
