/**
 * Makes what a container is created with: all that its spec refers to is looked up, and the files that it is to find are laid out.
 */
import { mkdir } from 'node:fs/promises';
import type { ConfigMap, Container, Pod, Secret, Service } from '../../../proto/api/core-v1.ts';
import type { ContainerConfig, Image, PodSandboxConfig } from '../../../proto/cri/runtime.gen.ts';
import type { Decoded } from '../../../proto/decoded.ts';
import type { EventSink, EventSubject } from '../../../machinery/client/event-recorder.ts';
import { configMaps, secrets, type AnyObject, type Resource } from '../../../machinery/client/resource.ts';
import type { ResourceAmounts } from '../../../machinery/meta/pod-resources.ts';
import type { PodObjects } from '../objects/pod-objects.ts';
import { containerConfig } from '../plan/container-config.ts';
import { ConfigError, containerEnvironment, environmentReferences } from '../plan/environment.ts';
import { hostNetworkHostsFile, podHostsFile } from '../plan/hosts-file.ts';
import type { ContainerStart } from '../plan/pod-actions.ts';
import { podHostname } from '../plan/pod-hostname.ts';
import { hostsFilePath, podLogFolder, terminationMessagePath, type KubeletFolders } from '../plan/pod-paths.ts';
import { podText, uidOf } from '../plan/pod-spec.ts';
import type { SandboxView } from '../plan/pod-view.ts';
import { BACKOFF_ANNOTATION } from '../plan/restart.ts';
import { checkNonRoot, effectiveSecurityContext } from '../plan/security-context.ts';
import { serviceEnv } from '../plan/service-env.ts';
import type { NodeSwap } from '../plan/swap.ts';
import { unsupportedOfContainer, type RuntimeAbilities } from '../plan/unsupported.ts';
import { volumeDevices } from '../plan/volume-devices.ts';
import { withExtras, type ContainerExtras } from '../resources/plan/with-extras.ts';
import type { PreparedVolumes, VolumeManager } from '../volumes/volume-manager.ts';
import { makeTerminationFile, writeHostsFile } from './container-files.ts';
import { resolveMounts } from './container-mounts.ts';
import { readEnvFiles } from './env-files.ts';

export interface ContainerConfigurerOptions {
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
  /** Whether the runtime's seccomp profile holds for containers that name none. */
  readonly seccompDefault: boolean;
  readonly abilities: () => RuntimeAbilities;
  /** Services whose links the pod gets. */
  readonly visibleServices: (pod: Pod) => readonly Service[];
  /** Devices, processors and memory that the container was given. @throws ConfigError, or the signal's reason */
  readonly extras: (pod: Pod, container: Container, signal: AbortSignal) => Promise<ContainerExtras>;
  /** The node's own /etc/hosts. */
  readonly nodeHosts: () => Promise<string>;
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

export class ContainerConfigurer {
  private readonly options: ContainerConfigurerOptions;

  constructor(options: ContainerConfigurerOptions) {
    this.options = options;
  }

  /** @throws ConfigError, VolumeError, or what a file or the API said; the signal's reason */
  async configure(input: StartContainerInput, signal: AbortSignal): Promise<ContainerConfig> {
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
      resolveMounts(options.volumes, pod, container, volumes, variables, signal),
      this.writeHosts(pod, podIPs),
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
      seccompDefault: options.seccompDefault,
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

  private async writeHosts(pod: Pod, podIPs: readonly string[]): Promise<string> {
    const { folders, clusterDomain, nodeHosts } = this.options;
    const path = hostsFilePath(folders, uidOf(pod));
    const aliases = pod.spec.hostAliases ?? [];
    const hostname = podHostname(pod, clusterDomain);
    const names = typeof hostname === 'string' ? { hostname: pod.metadata.name ?? '', domainName: '' } : hostname;
    const text =
      pod.spec.hostNetwork === true
        ? hostNetworkHostsFile(await nodeHosts(), aliases)
        : podHostsFile(podIPs, names.hostname, names.domainName, aliases);
    await writeHostsFile(path, text);
    return path;
  }
}
