/** The kubelet's settings: what its configuration file says, what options say over it, and what the cluster says where both are silent. */
import {
  withDefaults,
  type ConfigurationFile,
  type KubeletConfiguration,
} from '../../agent/kubelet/config/plan/kubelet-configuration.ts';
import type { ClusterSettings } from '../cluster-objects.ts';
import type { Config } from '../config.ts';
import type { Paths } from '../paths.ts';

/** Everything that the kubelet is told, as its `/configz` shows it. */
export function kubeletSettings(
  file: ConfigurationFile,
  { config, paths, cluster }: { config: Config; paths: Paths; cluster: ClusterSettings },
): KubeletConfiguration {
  const taints = config.nodeTaints === undefined ? undefined : taintsOf(config.nodeTaints);
  return withDefaults({
    clusterDNS: [...cluster.clusterDns],
    clusterDomain: cluster.clusterDomain,
    ...file,
    ...(config.maxPods === undefined ? {} : { maxPods: config.maxPods }),
    ...(config.kubeletPort === undefined ? {} : { port: config.kubeletPort }),
    ...(taints === undefined ? {} : { registerWithTaints: taints }),
    cgroupRoot: `/${config.cgroupRoot}`,
    podLogsDir: paths.podLogs,
    containerRuntimeEndpoint: config.containerRuntimeEndpoint ?? `unix://${paths.containerdSocket}`,
  });
}

/** `key=value:Effect` of the command line. */
function taintsOf(texts: readonly string[]) {
  return texts.map(text => {
    const colon = text.lastIndexOf(':');
    const [key = '', value] = text.slice(0, colon).split('=');
    return { key, effect: text.slice(colon + 1), ...(value === undefined ? {} : { value }) };
  });
}
