/** Puts what a container was given into its CRI configuration. Where the pod's spec says something of the same, the spec wins. */
import { Buffer } from 'node:buffer';
import type { CDIDevice, ContainerConfig, Device, Mount } from '../../../../proto/cri/runtime.gen.ts';

/** What plugins want in a container: parts of a CRI container. */
export interface DeviceExtras {
  readonly devices: readonly Device[];
  readonly mounts: readonly Mount[];
  readonly env: ReadonlyMap<string, string>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly cdiDevices: readonly CDIDevice[];
}

/** All that a container is made with beside what its spec says. */
export interface ContainerExtras extends DeviceExtras {
  /** As the kernel writes it: `0-1`; '' for all. */
  readonly cpusetCpus: string;
  /** NUMA nodes; '' for all. */
  readonly cpusetMems: string;
  /** It has its processors to itself: no quota holds it back from using them. */
  readonly ownsCpus: boolean;
}

const NO_QUOTA = -1n;

export function withExtras(config: ContainerConfig, extras: ContainerExtras): ContainerConfig {
  const { envs = [], mounts = [], devices = [], linux } = config;
  const names = new Set(envs.map(({ key }) => key));
  const mounted = new Set(mounts.map(({ containerPath }) => containerPath));
  const env = [...extras.env].filter(([name]) => !names.has(name));
  return {
    ...config,
    envs: [...env.map(([key, value]) => ({ key, value: Buffer.from(value) })), ...envs],
    mounts: [...extras.mounts.filter(({ containerPath }) => !mounted.has(containerPath ?? '')), ...mounts],
    devices: [...extras.devices, ...devices],
    annotations: { ...extras.annotations, ...config.annotations },
    CDIDevices: [...extras.cdiDevices],
    linux: {
      ...linux,
      resources: {
        ...linux?.resources,
        cpusetCpus: extras.cpusetCpus,
        cpusetMems: extras.cpusetMems,
        ...(extras.ownsCpus ? { cpuQuota: NO_QUOTA } : {}),
      },
    },
  };
}

/** Why this runtime cannot put CDI devices into containers; undefined if it can. Source: containerd's release notes of 1.7. */
export function cdiRefused(runtimeName: string, runtimeVersion: string): string | undefined {
  const found = /^v?(\d+)\.(\d+)/.exec(runtimeVersion);
  if (runtimeName !== 'containerd' || found === null) return undefined;
  const isNewer = Number(found[1]) > 1 || Number(found[2]) >= 7;
  return isNewer ? undefined : `${runtimeName} ${runtimeVersion} knows none; that takes 1.7 or newer`;
}
