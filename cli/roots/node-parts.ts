/**
 * The parts of a node that need no API server: container runtime, packet filter, links, kernel settings. Constructed here once, for the
 * running node as well as for `down`, `reset` and `images`.
 */
import { dirname, join } from 'node:path';
import { systemClock } from '../../machinery/process/clock.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import { Links } from '../../agent/host/links.ts';
import { Sysctls } from '../../agent/host/sysctl.ts';
import {
  durationMs,
  withDefaults,
  type ConfigurationFile,
} from '../../agent/kubelet/config/plan/kubelet-configuration.ts';
import { ContainerdSupervisor } from '../../agent/kubelet/runtime/containerd/containerd-supervisor.ts';
import { CriClient } from '../../agent/kubelet/runtime/cri-client.ts';
import { ImageImporter } from '../../agent/kubelet/runtime/images/image-importer.ts';
import { PAUSE_IMAGE } from '../../agent/kubelet/runtime/images/own-images.ts';
import { CNI_PLUGIN_DIRS } from '../../agent/network/cni-directory.ts';
import { Conntrack } from '../../agent/node-iptables/conntrack.ts';
import { Iptables } from '../../agent/node-iptables/index.ts';
import type { Config } from '../config.ts';
import type { Paths } from '../paths.ts';

/** Where runtimes that others configured look for their network. */
const COMMON_CNI_DIRECTORY = '/etc/cni/net.d';

/** @param kubeletFile what the kubelet's configuration file says of calls to the runtime; those that only stop things need none */
export function createNodeParts(config: Config, paths: Paths, logger: Logger, kubeletFile: ConfigurationFile = {}) {
  const socketPath = config.containerRuntimeEndpoint?.replace(/^unix:(\/\/)?/, '') ?? paths.containerdSocket;
  const cri = new CriClient(socketPath, durationMs(withDefaults(kubeletFile).runtimeRequestTimeout));
  const cniConfDir = config.containerRuntimeEndpoint === undefined ? paths.cniConfig : COMMON_CNI_DIRECTORY;
  const containerd =
    config.containerRuntimeEndpoint !== undefined
      ? undefined
      : new ContainerdSupervisor(
          {
            root: paths.containerd,
            stateDir: paths.containerdRun,
            socketPath,
            logPath: join(paths.logDir, 'containerd.log'),
            cniBinDirs: CNI_PLUGIN_DIRS,
            cniConfDir,
            registryConfigDir: join(paths.configDir, 'registries'),
            sandboxImage: PAUSE_IMAGE,
            cgroupDriver: 'cgroupfs',
            binary: config.containerdBinary,
          },
          systemClock,
          logger.child({ part: 'containerd' }),
        );
  const importer = new ImageImporter({
    socketPath,
    images: cri,
    clock: systemClock,
    // A containerd from elsewhere brings its own client along.
    ...(config.containerdBinary.startsWith('/') ? { ctr: join(dirname(config.containerdBinary), 'ctr') } : {}),
  });
  return {
    socketPath,
    /** Where the runtime looks for the pod network. */
    cniConfDir,
    cri,
    containerd,
    importer,
    iptables: new Iptables(),
    conntrack: new Conntrack(),
    links: new Links(),
    sysctls: new Sysctls(paths.undo),
  };
}

export type NodeParts = ReturnType<typeof createNodeParts>;
