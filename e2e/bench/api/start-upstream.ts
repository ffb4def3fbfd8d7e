/** Upstream's kube-apiserver with etcd, both as their own processes and with their own defaults, authorizing by Node and RBAC like k8ts. */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeKubeconfig } from '../../../machinery/client/kubeconfig.ts';
import { BACKDATE_MS, createAuthority, DAY_MS, issueKeyPair } from '../../../machinery/pki/certificate.ts';
import { tryRun } from '../../machine/command.ts';
import { freePort } from '../../../machinery/process/testdata/free-port.ts';
import type { ServerUnderTest } from './access.ts';
import { startProcess, untilReady, type ServerProcess } from './server-process.ts';

/** Files of upstream's programs. */
export interface UpstreamPrograms {
  readonly server: string;
  readonly etcd: string;
  readonly scheduler: string;
  readonly controllers: string;
}

/** Undefined where the programs are not on this machine: CONFORMANCE_DIR names the folder in whose `bin` kube-apiserver lies; etcd is on the PATH. */
export async function upstreamPrograms(): Promise<UpstreamPrograms | undefined> {
  const program = (name: string): string =>
    join(process.env['CONFORMANCE_DIR'] ?? '/var/cache/k8ts-conformance', 'bin', name);
  const server = program('kube-apiserver');
  const { code, stdout } = await tryRun(['sh', '-c', 'command -v etcd']);
  return code === 0 && existsSync(server)
    ? {
        server,
        etcd: stdout.trim(),
        scheduler: program('kube-scheduler'),
        controllers: program('kube-controller-manager'),
      }
    : undefined;
}

/**
 * @param directory holds everything it writes
 * @param control with scheduler and controllers, without limits of their own on calls a second
 */
export async function startUpstream(
  programs: UpstreamPrograms,
  directory: string,
  control = false,
): Promise<ServerUnderTest> {
  mkdirSync(directory, { recursive: true });
  const [port, storePort, peerPort] = [await freePort(), await freePort(), await freePort()];
  const file = (name: string, content: string): string => {
    writeFileSync(join(directory, name), content, { mode: 0o600 });
    return join(directory, name);
  };
  const nowMs = Date.now();
  const authority = createAuthority('bench', nowMs);
  const validity = { notBeforeMs: nowMs - BACKDATE_MS, notAfterMs: nowMs + DAY_MS };
  const admin = issueKeyPair(authority, {
    ...validity,
    subject: { commonName: 'bench', organizations: ['system:masters'] },
    usages: ['client'],
  });
  const serving = issueKeyPair(authority, {
    ...validity,
    subject: { commonName: 'kube-apiserver' },
    usages: ['server'],
    ipAddresses: ['127.0.0.1'],
  });
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const accountKey = file('accounts.key', privateKey.export({ type: 'pkcs1', format: 'pem' }).toString());
  const storeUrl = `http://127.0.0.1:${storePort}`;
  const store = startProcess(
    [
      programs.etcd,
      ...['--data-dir', join(directory, 'etcd')],
      ...['--listen-client-urls', storeUrl, '--advertise-client-urls', storeUrl],
      ...['--listen-peer-urls', `http://127.0.0.1:${peerPort}`],
    ],
    join(directory, 'etcd.out'),
  );
  const log = join(directory, 'kube-apiserver.out');
  const server = startProcess(
    [
      programs.server,
      `--etcd-servers=${storeUrl}`,
      `--secure-port=${port}`,
      '--bind-address=127.0.0.1',
      `--tls-cert-file=${file('server.crt', serving.certPem)}`,
      `--tls-private-key-file=${file('server.key', serving.keyPem)}`,
      `--client-ca-file=${file('ca.crt', authority.certPem)}`,
      `--service-account-key-file=${accountKey}`,
      `--service-account-signing-key-file=${accountKey}`,
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      '--service-cluster-ip-range=10.96.0.0/16',
      '--authorization-mode=Node,RBAC',
      `--cert-dir=${directory}`,
    ],
    log,
  );
  const parts: ServerProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const part of parts) await part.stop();
    await server.stop();
    await store.stop();
  };
  const access = {
    host: '127.0.0.1',
    port,
    tls: { ca: authority.certPem, cert: admin.certPem, key: admin.keyPem },
  };
  try {
    await untilReady(() => Promise.resolve(access), log);
  } catch (error) {
    await stop();
    throw error;
  }
  if (control) {
    const kubeconfig = join(directory, 'kubeconfig.yaml');
    await writeKubeconfig(kubeconfig, { server: `https://127.0.0.1:${port}`, tls: access.tls });
    const flags = [
      `--kubeconfig=${kubeconfig}`,
      '--leader-elect=false',
      '--kube-api-qps=1000',
      '--kube-api-burst=1000',
    ];
    const unheard = ['--port=0', '--secure-port=0'];
    const start = (program: string, ...more: string[]): ServerProcess =>
      startProcess([program, ...flags, ...unheard, ...more], join(directory, 'control.out'));
    const tokens = `--service-account-private-key-file=${accountKey}`;
    parts.push(start(programs.scheduler), start(programs.controllers, tokens, '--use-service-account-credentials'));
  }
  return { name: 'upstream', access, pids: [server, store, ...parts].map(({ pid }) => pid), stop };
}
