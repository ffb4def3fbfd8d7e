/** `k8ts server` as a user starts it: SQLite, full durability, controllers and scheduler in the same process. */
import { join } from 'node:path';
import { loadKubeconfig } from '../../../machinery/client/kubeconfig.ts';
import { freePort } from '../../../machinery/process/testdata/free-port.ts';
import { BUNDLE } from '../../machine/host.ts';
import type { Access, ServerUnderTest } from './access.ts';
import { startProcess, untilReady } from './server-process.ts';

export interface K8tsServer extends ServerUnderTest {
  readonly pid: number;
  readonly kubeconfig: string;
  kill9(): Promise<void>;
}

/**
 * @param directory holds everything it writes; one that was used before is used again
 * @param options `port`: where clients of an earlier one look for it; `flags` more of them
 */
export async function startK8ts(
  directory: string,
  options: { readonly port?: number; readonly flags?: readonly string[] } = {},
): Promise<K8tsServer> {
  const port = options.port ?? (await freePort());
  const log = join(directory, 'k8ts.out');
  const folders = ['data', 'config', 'run', 'log'].flatMap(name => [`--${name}-dir`, join(directory, name)]);
  // Their usual ports may be those of upstream's parts that run beside it.
  const unheard = ['--scheduler-bind-address', 'none', '--controllers-bind-address', 'none'];
  const server = startProcess(
    [BUNDLE, 'server', ...folders, '--secure-port', String(port), ...unheard, ...(options.flags ?? [])],
    log,
  );
  const kubeconfig = join(directory, 'config', 'kubeconfig.yaml');
  const access = async (): Promise<Access> => {
    const { tls } = await loadKubeconfig(kubeconfig);
    return { host: '127.0.0.1', port, tls: { ca: tls.ca ?? '', cert: tls.cert ?? '', key: tls.key ?? '' } };
  };
  await untilReady(access, log);
  return { ...server, name: 'k8ts', access: await access(), pids: [server.pid], kubeconfig };
}
