/**
 * Makes and starts one container in a ready sandbox.
 *
 * Each failure is a StartError with the reason that the container's status shows, and has been told as an event.
 * Source: kubernetes 1.36 `pkg/kubelet/kuberuntime/kuberuntime_container.go`, startContainer.
 */
import { mkdir, readlink, symlink, unlink, writeFile, chmod } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ConfigMap, Container, Pod, Secret, Service } from '../../../proto/api/core-v1.ts';
import type { Image, PodSandboxConfig } from '../../../proto/cri/runtime.gen.ts';
import type { Decoded } from '../../../proto/decoded.ts';
import type { EventSink, EventSubject } from '../../../machinery/client/event-recorder.ts';
import { configMaps, secrets, type AnyObject, type Resource } from '../../../machinery/client/resource.ts';
import type { PodObjects } from '../objects/pod-objects.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import { containerConfig, type ResolvedMount } from '../plan/container-config.ts';
import { ConfigError, containerEnvironment, environmentReferences } from '../plan/environment.ts';
import { expand } from '../plan/expand.ts';
import { hostNetworkHostsFile, podHostsFile } from '../plan/hosts-file.ts';
import type { ContainerStart } from '../plan/pod-actions.ts';
import { podHostname } from '../plan/pod-hostname.ts';
import {
  containerLogLink,
  hostsFilePath,
  podLogFolder,
  terminationMessagePath,
  type KubeletFolders,
} from '../plan/pod-paths.ts';
import { podText, uidOf } from '../plan/pod-spec.ts';
import type { SandboxView } from '../plan/pod-view.ts';
import type { ResourceAmounts } from '../../../machinery/meta/pod-resources.ts';
import { BACKOFF_ANNOTATION } from '../plan/restart.ts';
import { checkNonRoot, effectiveSecurityContext } from '../plan/security-context.ts';
import { serviceEnv } from '../plan/service-env.ts';
import { volumeDevices } from '../plan/volume-devices.ts';
import { unsupportedOfContainer, type RuntimeAbilities } from '../plan/unsupported.ts';
import type { NodeSwap } from '../plan/swap.ts';
import { withExtras, type ContainerExtras } from '../resources/plan/with-extras.ts';
import { RuntimeError } from '../runtime/runtime-error.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import type { Stage, StageWatch } from './slow-stages.ts';
import { readEnvFiles } from './env-files.ts';
import { VolumeError, type PreparedVolumes, type VolumeManager } from '../volumes/volume-manager.ts';

/** Why a container could not be started; the status shows `reason` and `message`. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

export interface ContainerStarterOptions {
  readonly runtime: RuntimeService;
  readonly cache: PodCache;
  readonly volumes: VolumeManager;
  readonly objects: PodObjects;
  readonly folders: KubeletFolders;
  readonly recorder: EventSink;
  readonly clusterDomain: string;
  readonly nodeName: string;
  readonly hostIPs: readonly string[];
  /** The node's, for limits that are not set. */
  readonly allocatable: () => ResourceAmounts;
  readonly nodeMemoryBytes: number;
  readonly nodeSwap: () => NodeSwap | undefined;
  readonly abilities: () => RuntimeAbilities;
  /** Services whose links the pod gets. */
  readonly visibleServices: (pod: Pod) => readonly Service[];
  /** Devices, processors and memory that the container was given. @throws ConfigError, or the signal's reason */
  readonly extras: (pod: Pod, container: Container, signal: AbortSignal) => Promise<ContainerExtras>;
  /** The node's own /etc/hosts. */
  readonly nodeHosts: () => Promise<string>;
  readonly stages: StageWatch;
}

export interface StartContainerInput {
  readonly pod: Pod;
  readonly start: ContainerStart;
  readonly sandbox: SandboxView;
  readonly sandboxConfig: PodSandboxConfig;
  readonly volumes: PreparedVolumes;
  readonly image: Decoded<Image>;
  readonly subject: EventSubject;
  /** Container whose processes an ephemeral container joins. */
  readonly targetId: string;
}

export class ContainerStarter {
  private readonly options: ContainerStarterOptions;

  constructor(options: ContainerStarterOptions) {
    this.options = options;
  }

  /** Gives the id of the container, which runs. @throws StartError, or the signal's reason */
  async start(input: StartContainerInput, signal: AbortSignal): Promise<string> {
    const { runtime, cache, recorder, folders, stages } = this.options;
    const { pod, start, sandbox, subject } = input;
    const { container, attempt } = start;
    let config;
    try {
      config = await this.configure(input, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof VolumeError) {
        recorder.event(subject, 'Warning', error.reason, error.message);
        throw new StartError('CreateContainerConfigError', error.message, { cause: error });
      }
      const message = error instanceof Error ? error.message : String(error);
      recorder.event(subject, 'Warning', 'Failed', `Error: ${message}`);
      throw new StartError('CreateContainerConfigError', message, { cause: error });
    }
    let id: string;
    try {
      id = await stages.watch(hangs('Creating', container.name, subject), () =>
        runtime.createContainer(sandbox.id, config, input.sandboxConfig),
      );
    } catch (error) {
      const detail = detailOf(error);
      recorder.event(subject, 'Warning', 'Failed', `Error: ${detail}`);
      throw new StartError('CreateContainerError', detail, { cause: error });
    }
    const { namespace = '', name = '' } = pod.metadata;
    const logPath = `${podLogFolder(folders, pod)}/${config.logPath ?? ''}`;
    cache.addContainer(
      { uid: uidOf(pod), namespace, name },
      {
        id,
        name: container.name,
        sandboxId: sandbox.id,
        state: 'created',
        attempt,
        image: container.image ?? '',
        imageRef: input.image.id,
        createdAtMs: Date.now(),
        startedAtMs: 0,
        finishedAtMs: 0,
        exitCode: 0,
        reason: '',
        message: '',
        hash: '',
        logPath,
        annotations: config.annotations ?? {},
      },
    );
    recorder.event(subject, 'Normal', 'Created', 'Container created');
    try {
      await stages.watch(hangs('Starting', container.name, subject), () =>
        cache.during(id, 'start', () => runtime.startContainer(id)),
      );
    } catch (error) {
      const detail = detailOf(error);
      recorder.event(subject, 'Warning', 'Failed', `Error: ${detail}`);
      await cache.refreshContainer(id).catch(() => undefined);
      throw new StartError('RunContainerError', detail, { cause: error });
    }
    recorder.event(subject, 'Normal', 'Started', 'Container started');
    // The link only helps log shippers: it must not hold the pod back, nor fail it.
    void linkLog(containerLogLink(folders, pod, container.name, id), logPath);
    await cache.refreshContainer(id).catch(() => undefined);
    return id;
  }

  private async configure(input: StartContainerInput, signal: AbortSignal) {
    const { options } = this;
    const { pod, start, sandbox, image, subject, volumes } = input;
    const { container, attempt } = start;
    const uid = uidOf(pod);
    const unsupported = unsupportedOfContainer(pod, container.name);
    if (unsupported !== undefined) throw new ConfigError(unsupported);
    const context = effectiveSecurityContext(pod, container);
    const user = { uid: image.uid === undefined ? undefined : Number(image.uid.value), username: image.username };
    checkNonRoot(context, user, podText(pod), container.name);
    const podIPs = pod.spec.hostNetwork === true ? options.hostIPs : sandbox.ips;
    const references = environmentReferences(container);
    const namespace = pod.metadata.namespace ?? '';
    const [files, maps, secretObjects] = await Promise.all([
      readEnvFiles(container, volumes),
      this.fetchAll<ConfigMap>(configMaps, namespace, references.configMaps, signal),
      this.fetchAll<Secret>(secrets, namespace, references.secrets, signal),
    ]);
    const { variables, skipped } = containerEnvironment(pod, container, {
      nodeName: options.nodeName,
      hostIPs: options.hostIPs,
      podIPs,
      allocatable: options.allocatable(),
      serviceEnv: serviceEnv(options.visibleServices(pod)),
      configMaps: maps,
      secrets: secretObjects,
      files,
    });
    for (const message of skipped)
      options.recorder.event(subject, 'Warning', 'InvalidEnvironmentVariableNames', message);
    const messageFile = terminationMessagePath(options.folders, uid, container.name, attempt);
    const [extras, mounts, hostsFile] = await Promise.all([
      options.extras(pod, container, signal),
      this.resolveMounts(pod, container, volumes, variables, signal),
      this.writeHostsFile(pod, podIPs),
      makeTerminationFile(messageFile),
      mkdir(`${podLogFolder(options.folders, pod)}/${container.name}`, { recursive: true }),
    ]);
    const config = containerConfig({
      pod,
      container,
      attempt,
      imageRef: image.id,
      environment: variables,
      mounts,
      devices: volumeDevices(container, volumes),
      hostsFile,
      terminationMessageFile: messageFile,
      nodeMemoryBytes: options.nodeMemoryBytes,
      nodeSwap: options.nodeSwap(),
      recursiveReadOnlyMounts: options.abilities().recursiveReadOnlyMounts,
      seccompFolder: `${options.folders.root}/seccomp`,
      targetId: input.targetId,
      imageUser: user,
      userNamespace: input.sandboxConfig.linux?.securityContext?.namespaceOptions?.usernsOptions,
    });
    const backoff = { [BACKOFF_ANNOTATION]: String(start.nextBackoffMs) };
    return withExtras({ ...config, annotations: { ...config.annotations, ...backoff } }, extras);
  }

  private async fetchAll<T extends AnyObject>(
    resource: Resource<T>,
    namespace: string,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<Map<string, T>> {
    const objects = await Promise.all(names.map(name => this.options.objects.get(resource, namespace, name, signal)));
    return new Map(
      names.flatMap((name, index) => {
        const object = objects[index];
        return object === undefined ? [] : [[name, object] as const];
      }),
    );
  }

  private async resolveMounts(
    pod: Pod,
    container: Container,
    prepared: PreparedVolumes,
    environment: ReadonlyMap<string, string>,
    signal: AbortSignal,
  ): Promise<ResolvedMount[]> {
    const resolve = async (index: number): Promise<ResolvedMount> => {
      const mount = container.volumeMounts?.[index];
      if (mount === undefined) throw new ConfigError(`container ${container.name} has no mount ${index}`);
      const volume = prepared.get(mount.name);
      if (volume === undefined)
        throw new ConfigError(`cannot find volume "${mount.name}" to mount into container "${container.name}"`);
      const expr = mount.subPathExpr;
      const subPath = expr === undefined || expr === '' ? (mount.subPath ?? '') : expandAll(expr, environment);
      const common = { mount, readOnly: volume.readOnly, selinuxRelabel: volume.selinuxRelabel };
      if (volume.image !== undefined) return { ...common, hostPath: '', image: volume.image, imageSubPath: subPath };
      if (subPath === '') return { ...common, hostPath: volume.hostPath };
      const hostPath = await this.options.volumes.prepareSubPath(pod, container, index, mount, volume, subPath, signal);
      return { ...common, hostPath };
    };
    return Promise.all((container.volumeMounts ?? []).map((_, index) => resolve(index)));
  }

  /** @returns undefined for a pod on the node's network without aliases of its own on a node without the file */
  private async writeHostsFile(pod: Pod, podIPs: readonly string[]): Promise<string> {
    const path = hostsFilePath(this.options.folders, uidOf(pod));
    const aliases = pod.spec.hostAliases ?? [];
    const hostname = podHostname(pod, this.options.clusterDomain);
    const names = typeof hostname === 'string' ? { hostname: pod.metadata.name ?? '', domainName: '' } : hostname;
    const text =
      pod.spec.hostNetwork === true
        ? hostNetworkHostsFile(await this.options.nodeHosts(), aliases)
        : podHostsFile(podIPs, names.hostname, names.domainName, aliases);
    await mkdir(dirname(path), { recursive: true, mode: 0o750 });
    // Containers that run hold this very file: it is written in place, never replaced.
    await writeFile(path, text);
    // Whatever our umask: containers may run as anyone.
    await chmod(path, 0o644);
    return path;
  }
}

/** Containers may run as anyone, so anyone may write. */
async function makeTerminationFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  await writeFile(path, '');
  await chmod(path, 0o666);
}

function expandAll(text: string, environment: ReadonlyMap<string, string>): string {
  const missing: string[] = [];
  const value = expand(text, name => {
    const found = environment.get(name);
    if (found === undefined) missing.push(name);
    return found;
  });
  if (missing.length > 0)
    throw new ConfigError(`failed to expand subPath expression "${text}": missing value for "${missing[0]}"`);
  return value;
}

function hangs(verb: string, name: string, subject: EventSubject): Stage {
  const waitsFor = 'the container runtime does not answer; see its log';
  return { subject, doing: `${verb} container ${name}`, waitsFor };
}

function detailOf(error: unknown): string {
  if (error instanceof RuntimeError) return error.detail;
  return error instanceof Error ? error.message : String(error);
}

async function linkLog(link: string, target: string): Promise<void> {
  try {
    await mkdir(dirname(link), { recursive: true });
    if ((await readlink(link).catch(() => '')) === target) return;
    await unlink(link).catch(() => undefined);
    await symlink(target, link);
  } catch {
    // Told nowhere: the log itself is where it must be.
  }
}
