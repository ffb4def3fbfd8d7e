/** The container runtime of a node and the images that it must have, and which packet filter the node uses: what can start before there is an API server. */
import { mkdirSync } from 'node:fs';
import { prepareNetnsDirectory } from '../../agent/host/netns.ts';
import type { ConfigurationFile } from '../../agent/kubelet/config/plan/kubelet-configuration.ts';
import {
  buildDemoImage,
  buildPauseImage,
  DEMO_IMAGE,
  PAUSE_IMAGE,
} from '../../agent/kubelet/runtime/images/own-images.ts';
import type { DaemonContext } from '../daemon.ts';
import { createNodeParts, type NodeParts } from './node-parts.ts';
import { choosePacketFilter, type PacketFilterParts } from './packet-filter.ts';

/** What a node has before there is an API server. */
export interface RuntimeParts extends NodeParts {
  readonly filter: PacketFilterParts;
}

/** The runtime alone: it can start before there is an API server. */
export async function startRuntime(
  { config, paths, progress, logger, start, facts }: DaemonContext,
  kubeletFile: ConfigurationFile,
): Promise<RuntimeParts> {
  const parts = createNodeParts(config, paths, logger, kubeletFile);
  const filter = choosePacketFilter(config.proxyMode);
  // It is waited for below.
  filter.catch(() => undefined);
  const { containerd, importer, cri } = parts;
  await prepareNetnsDirectory();
  if (containerd !== undefined) {
    mkdirSync(paths.cniConfig, { recursive: true });
    await progress.step('container runtime', () => start(containerd));
  }
  const version = await cri.checkVersion();
  if (version.runtimeName === 'containerd') {
    // A runtime that others configured may name a sandbox image that no registry in reach has.
    const pause = (containerd === undefined ? await cri.sandboxImage() : undefined) ?? PAUSE_IMAGE;
    await progress.step('images', async () => {
      await Promise.all([
        importer.ensureImage(pause, () => buildPauseImage(undefined, pause)),
        importer.ensureImage(DEMO_IMAGE, () => buildDemoImage()),
      ]);
    });
  }
  facts.containerRuntime = `${version.runtimeName} ${version.runtimeVersion} at ${parts.socketPath}`;
  return { ...parts, filter: await filter };
}
