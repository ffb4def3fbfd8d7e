/** Where everything lies: one place that turns configured directories into file names. */
import { join } from 'node:path';
import type { Config } from './config.ts';

/** Absolute paths. Directories are made by whoever first writes there. */
export function pathsOf(config: Pick<Config, 'dataDir' | 'configDir' | 'runDir' | 'logDir' | 'kubeletDir'>) {
  const { dataDir, configDir, runDir, logDir, kubeletDir } = config;
  return {
    dataDir,
    configDir,
    runDir,
    logDir,
    store: join(dataDir, 'server', 'state.db'),
    serverPki: join(dataDir, 'server', 'pki'),
    agentPki: join(dataDir, 'agent', 'pki'),
    kubelet: kubeletDir ?? join(dataDir, 'kubelet'),
    podLogs: join(logDir, 'pods'),
    containerLogs: join(logDir, 'containers'),
    containerd: join(dataDir, 'containerd'),
    containerdRun: join(runDir, 'containerd'),
    containerdSocket: join(runDir, 'containerd', 'containerd.sock'),
    cniConfig: join(dataDir, 'agent', 'cni', 'net.d'),
    cniState: join(dataDir, 'agent', 'cni', 'state'),
    undo: join(dataDir, 'agent', 'undo.json'),
    localPathRecords: join(dataDir, 'agent', 'local-path'),
    adminKubeconfig: join(configDir, 'kubeconfig.yaml'),
    agentKubeconfig: join(configDir, 'agent.yaml'),
    mergedKubeconfigs: join(dataDir, 'merged-kubeconfigs.json'),
    configFile: join(configDir, 'config.yaml'),
    lock: join(runDir, 'k8ts.pid'),
    controlSocket: join(runDir, 'k8ts.sock'),
    log: join(logDir, 'k8ts.log'),
  } as const;
}

export type Paths = ReturnType<typeof pathsOf>;
