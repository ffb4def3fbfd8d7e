/** A containerd that somebody else configured and runs on a host, for k8ts to use by `container-runtime-endpoint`. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import type { Host } from './host.ts';
import { killHard } from './processes.ts';
import { waitFor } from './wait-for.ts';

export interface OwnContainerd {
  readonly socket: string;
  stop(): void;
}

/** Starts it; its sandbox image is one that no registry has. */
export async function startOwnContainerd(host: Host): Promise<OwnContainerd> {
  const at = (name: string): string => host.path('own-containerd', name);
  mkdirSync(at('root'), { recursive: true });
  const socket = at('containerd.sock');
  writeFileSync(
    at('config.toml'),
    `version = 2
root = "${at('root')}"
state = "${at('state')}"
[grpc]
  address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
  # No registry has it.
  sandbox_image = "registry.invalid/pause:3.9"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
`,
  );
  const command = `setsid containerd --config ${at('config.toml')} > ${at('log')} 2>&1 & echo $!`;
  const pid = Number(await host.run(['sh', '-c', command]));
  await waitFor('the other containerd to listen', () => existsSync(socket));
  return { socket, stop: () => killHard(pid) };
}
