/** What a container is made with beside what its spec says. */
import type { DeviceExtras } from './devices/device-extras.ts';

export interface ContainerExtras extends DeviceExtras {
  /** As the kernel writes it: `0-1`; '' for all. */
  readonly cpusetCpus: string;
  /** NUMA nodes; '' for all. */
  readonly cpusetMems: string;
  /** It has its processors to itself: no quota holds it back from using them. */
  readonly ownsCpus: boolean;
}
