/**
 * What `reset` takes away of a node that runs no more: its rules, routes, bridges and sandboxes, by the same parts that made them.
 */
import { systemClock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import { Logind } from '../../agent/host/logind.ts';
import type { Config } from '../config.ts';
import type { Paths } from '../paths.ts';
import { emptyInformer } from './empty-informer.ts';
import { createNodeNetwork } from './node-network.ts';
import type { NodeParts } from './node-parts.ts';
import { removePolicyRules } from './policy.ts';
import { removeServiceRules } from './proxy.ts';

export interface NodeCleanup {
  /** Orderly removal of sandboxes, whose number it tells, gives back addresses and host ports; what fails is left to the runtime's reset. */
  removeSandboxes(): Promise<number>;
  /** @returns what there was */
  removeRules(): Promise<string[]>;
  /** @returns what there was */
  removeNetwork(): Promise<string[]>;
  /** @returns what there was */
  removeShutdownDelay(): Promise<string[]>;
}

const SANDBOX_MS = 5_000;

export function createNodeCleanup(config: Config, paths: Paths, parts: NodeParts): NodeCleanup {
  const { cri } = parts;
  const log = silentLogger;
  const network = createNodeNetwork(
    { config, paths, parts },
    {
      nodes: emptyInformer(),
      nodeName: '',
      clusterCIDRs: config.clusterCidr,
      serviceCIDRs: config.serviceCidr,
      localServiceIPs: [],
      // What either packet filter may hold.
      filter: { packetFilter: 'none' },
      clock: systemClock,
      log,
    },
  );
  return {
    async removeSandboxes() {
      const sandboxes = await cri.listPodSandbox(undefined, { timeoutMs: SANDBOX_MS }).catch(() => []);
      await Promise.all(sandboxes.map(s => cri.stopPodSandbox(s.id, { timeoutMs: SANDBOX_MS }).catch(() => undefined)));
      return sandboxes.length;
    },
    removeRules: async () => [...(await removeServiceRules()), ...(await removePolicyRules())],
    removeNetwork: () => network.cleanup(),
    removeShutdownDelay: async () => ((await new Logind().restoreLongestDelay()) ? ['shutdown delay'] : []),
  };
}
