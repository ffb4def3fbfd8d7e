/**
 * One container as CRI takes it. Everything that needs the disk or the network was found out before and comes in as data.
 */
import { Buffer } from 'node:buffer';
import type { Container, MountPropagationMode, Pod, VolumeMount } from '../../../proto/api/core-v1.ts';
import {
  MountPropagation,
  type ContainerConfig,
  type Device,
  type Mount,
  type UserNamespace,
} from '../../../proto/cri/runtime.gen.ts';
import { containerAnnotations, containerLabels } from './cri-labels.ts';
import { ConfigError } from './environment.ts';
import { expand } from './expand.ts';
import { containerResources } from './linux-resources.ts';
import { swapResources, type NodeSwap } from './swap.ts';
import { containerLogName } from './pod-paths.ts';
import { containerSecurityContext, type ImageUser } from './security-context.ts';
import { criSignal } from './stop-signal.ts';

/** One volumeMount whose host path is known, subPath included. */
export interface ResolvedMount {
  readonly mount: VolumeMount;
  readonly hostPath: string;
  /** The volume as a whole is read-only. */
  readonly readOnly: boolean;
  readonly selinuxRelabel: boolean;
  /** Set for image volumes. */
  readonly image?: string;
  /** Path in the image; default its root. */
  readonly imageSubPath?: string;
}

export interface ContainerConfigInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly attempt: number;
  /** As the runtime knows the image. */
  readonly imageRef: string;
  readonly environment: ReadonlyMap<string, string>;
  readonly mounts: readonly ResolvedMount[];
  readonly devices: readonly Device[];
  /** The pod's /etc/hosts on the node; undefined: the runtime's own. */
  readonly hostsFile: string | undefined;
  /** On the node; mounted where the spec wants the message. */
  readonly terminationMessageFile: string;
  readonly nodeMemoryBytes: number;
  /** Undefined where nothing limits swap. */
  readonly nodeSwap?: NodeSwap | undefined;
  /** Whether the runtime can make mounts read-only all the way down. */
  readonly recursiveReadOnlyMounts: boolean;
  /** Absolute; seccomp profiles of the node lie in it. */
  readonly seccompFolder: string;
  /** Whether the runtime's profile holds for who names none. */
  readonly seccompDefault: boolean;
  /** Container whose processes an ephemeral container joins. */
  readonly targetId?: string;
  readonly imageUser?: ImageUser;
  /** The pod's own; undefined: the node's. */
  readonly userNamespace?: UserNamespace | undefined;
}

/** @throws ConfigError */
export function containerConfig(input: ContainerConfigInput): ContainerConfig {
  const { pod, container, attempt, environment } = input;
  const lookup = (name: string): string | undefined => environment.get(name);
  return {
    metadata: { name: container.name, attempt },
    image: { image: input.imageRef, userSpecifiedImage: container.image ?? '' },
    command: (container.command ?? []).map(word => expand(word, lookup)),
    args: (container.args ?? []).map(word => expand(word, lookup)),
    workingDir: container.workingDir ?? '',
    envs: [...environment].map(([key, value]) => ({ key, value: Buffer.from(value) })),
    mounts: containerMounts(input),
    devices: [...input.devices],
    labels: containerLabels(pod, container),
    annotations: containerAnnotations(pod, container, attempt, input.terminationMessageFile),
    logPath: containerLogName(container.name, attempt),
    stdin: container.stdin === true,
    stdinOnce: container.stdinOnce === true,
    tty: container.tty === true,
    stopSignal: criSignal(container.lifecycle?.stopSignal),
    linux: {
      resources: {
        ...containerResources(pod, container, input.nodeMemoryBytes),
        ...swapResources(pod, container, input.nodeSwap),
      },
      securityContext: containerSecurityContext(pod, container, input),
    },
  };
}

function containerMounts(input: ContainerConfigInput): Mount[] {
  const { container } = input;
  const mounts = input.mounts.map(mount => toMount(mount, input.recursiveReadOnlyMounts));
  const mounted = new Set(mounts.map(mount => mount.containerPath));
  // What the user mounts there wins.
  if (input.hostsFile !== undefined && !mounted.has('/etc/hosts')) {
    const readonly = container.securityContext?.readOnlyRootFilesystem === true;
    mounts.push({ containerPath: '/etc/hosts', hostPath: input.hostsFile, readonly, selinuxRelabel: true });
  }
  const messagePath = container.terminationMessagePath ?? '/dev/termination-log';
  if (messagePath !== '' && !mounted.has(messagePath)) {
    mounts.push({
      containerPath: messagePath,
      hostPath: input.terminationMessageFile,
      readonly: false,
      selinuxRelabel: true,
    });
  }
  const { uids, gids } = input.userNamespace ?? {};
  // Files then belong to whom they belong to on the node, whatever ids the pod's namespace has.
  if (uids !== undefined && gids !== undefined)
    return mounts.map(mount => ({ ...mount, uidMappings: uids, gidMappings: gids }));
  return mounts;
}

function toMount(
  { mount, hostPath, readOnly, selinuxRelabel, image, imageSubPath = '' }: ResolvedMount,
  canRecurse: boolean,
): Mount {
  const readonly = mount.readOnly === true || readOnly;
  const { recursiveReadOnly = 'Disabled' } = mount;
  if (recursiveReadOnly === 'Enabled' && !canRecurse)
    throw new ConfigError(`volumeMount "${mount.name}" must be read-only recursively, which the runtime cannot do`);
  return {
    containerPath: absolute(mount.mountPath),
    hostPath,
    readonly,
    recursiveReadOnly: readonly && canRecurse && recursiveReadOnly !== 'Disabled',
    selinuxRelabel,
    propagation: propagation(mount.mountPropagation),
    ...(image === undefined ? {} : { image: { image }, imageSubPath }),
  };
}

function absolute(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}

function propagation(mode: MountPropagationMode | undefined): MountPropagation {
  if (mode === 'HostToContainer') return MountPropagation.PROPAGATION_HOST_TO_CONTAINER;
  if (mode === 'Bidirectional') return MountPropagation.PROPAGATION_BIDIRECTIONAL;
  return MountPropagation.PROPAGATION_PRIVATE;
}
