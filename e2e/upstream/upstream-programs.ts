/**
 * Upstream's own programs (CONFORMANCE_DIR/bin, v1.20) on the hosts of a lab, each with the client certificate of the user that it is.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeKubeconfig } from '../../machinery/client/kubeconfig.ts';
import { BACKDATE_MS, DAY_MS, issueKeyPair, type CertificateRequest } from '../../machinery/pki/certificate.ts';
import { writeKeyPair } from '../../machinery/pki/key-pair-files.ts';
import type { Host } from '../machine/host.ts';
import { inNamespace } from '../machine/network-namespace.ts';
import { waitFor } from '../machine/wait-for.ts';

export const UPSTREAM = process.env['CONFORMANCE_DIR'] ?? '/var/cache/k8ts-conformance';
export const POD_CIDR = '10.88.0.0/16';

/** Starts a program in the host's network; its output is kept. */
export function launch(host: Host, name: string, argv: readonly string[]): void {
  mkdirSync(host.path('upstream'), { recursive: true });
  const log = openSync(logPath(host, name), 'a');
  const [program = '', ...rest] = inNamespace(host.namespace, argv);
  spawn(program, rest, { detached: true, stdio: ['ignore', log, log] }).unref();
  closeSync(log);
}

/** What a program that `launch()` started has written so far. */
export function logOf(host: Host, name: string): string {
  const path = logPath(host, name);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** The server's certificates and keys. */
export function serverPki(control: Host, file: string): string {
  return control.path('data', 'server', 'pki', file);
}

/** kube-controller-manager and kube-scheduler. */
export async function startControlPrograms(control: Host): Promise<void> {
  const manager = await kubeconfig(control, control, 'kcm', { commonName: 'system:kube-controller-manager' });
  const scheduler = await kubeconfig(control, control, 'scheduler', { commonName: 'system:kube-scheduler' });
  const ca = serverPki(control, 'ca.crt');
  launch(control, 'kube-controller-manager', [
    program('kube-controller-manager'),
    `--kubeconfig=${manager}`,
    '--leader-elect=true',
    '--use-service-account-credentials',
    `--service-account-private-key-file=${serverPki(control, 'sa.key')}`,
    `--root-ca-file=${ca}`,
    `--cluster-signing-cert-file=${ca}`,
    `--cluster-signing-key-file=${serverPki(control, 'ca.key')}`,
    '--allocate-node-cidrs',
    `--cluster-cidr=${POD_CIDR}`,
    '--v=2',
  ]);
  // Told to say what it speaks.
  launch(control, 'kube-scheduler', [program('kube-scheduler'), `--kubeconfig=${scheduler}`, '--v=8']);
}

/** containerd, kubelet and kube-proxy. */
export async function startNodePrograms(control: Host, node: Host): Promise<void> {
  const socket = await startContainerd(node);
  const user = { commonName: `system:node:${node.name}`, organizations: ['system:nodes'] };
  const kubelet = await kubeconfig(control, node, 'kubelet', user);
  const serving = { certPath: node.path('upstream', 'serving.crt'), keyPath: node.path('upstream', 'serving.key') };
  const names = { subject: user, usages: ['server'] as const, dnsNames: [node.name], ipAddresses: [node.address] };
  await writeKeyPair(serving, issued(control, { ...names, usages: [...names.usages] }));
  // One tree in version 2, one a controller in version 1.
  const trees = '[ -e /sys/fs/cgroup/cgroup.controllers ] && echo /sys/fs/cgroup || echo /sys/fs/cgroup/*/';
  await node.run(['sh', '-c', `for tree in $(${trees}); do mkdir -p $tree/${node.cgroupRoot}; done`]);
  launch(node, 'kubelet', [
    program('kubelet'),
    `--kubeconfig=${kubelet}`,
    `--hostname-override=${node.name}`,
    `--node-ip=${node.address}`,
    '--container-runtime=remote',
    `--container-runtime-endpoint=unix://${socket}`,
    `--root-dir=${node.path('kubelet')}`,
    `--cert-dir=${node.path('kubelet-pki')}`,
    `--tls-cert-file=${serving.certPath}`,
    `--tls-private-key-file=${serving.keyPath}`,
    `--client-ca-file=${serverPki(control, 'ca.crt')}`,
    '--authorization-mode=Webhook',
    '--authentication-token-webhook',
    '--cgroup-driver=cgroupfs',
    `--cgroup-root=/${node.cgroupRoot}`,
    '--enforce-node-allocatable=',
    '--oom-score-adj=0',
    '--fail-swap-on=false',
    '--healthz-port=0',
    '--read-only-port=0',
    '--v=2',
  ]);
  await startProxyProgram(control, node);
}

/** kube-proxy alone. */
export async function startProxyProgram(control: Host, node: Host): Promise<void> {
  const proxy = await kubeconfig(control, node, 'proxy', { commonName: 'system:kube-proxy' });
  launch(node, 'kube-proxy', [
    program('kube-proxy'),
    `--kubeconfig=${proxy}`,
    `--hostname-override=${node.name}`,
    `--cluster-cidr=${POD_CIDR}`,
    '--oom-score-adj=0',
    '--conntrack-max-per-core=0',
    '--conntrack-min=0',
    '--v=2',
  ]);
}

/** With the suite's images, and pods on a bridge of their own. */
async function startContainerd(node: Host): Promise<string> {
  const at = (...names: string[]): string => node.path('upstream-containerd', ...names);
  const socket = at('containerd.sock');
  mkdirSync(at('cni'), { recursive: true });
  const bridge = {
    type: 'bridge',
    bridge: 'cni0',
    isGateway: true,
    ipMasq: true,
    ipam: {
      type: 'host-local',
      dataDir: at('ipam'),
      ranges: [[{ subnet: '10.88.0.0/24' }]],
      routes: [{ dst: '0.0.0.0/0' }],
    },
  };
  writeFileSync(
    at('cni', '10-bridge.conflist'),
    JSON.stringify({ cniVersion: '0.4.0', name: 'pods', plugins: [bridge] }),
  );
  writeFileSync(
    at('config.toml'),
    `version = 2
root = "${at('root')}"
state = "${at('state')}"
[grpc]
  address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "k8s.gcr.io/pause:3.2"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${at('cni')}"
`,
  );
  launch(node, 'containerd', ['containerd', '--config', at('config.toml')]);
  const ctr = (...args: string[]): Promise<string> =>
    node.run(['ctr', '-a', socket, '-n', 'k8s.io', 'images', ...args]);
  await waitFor('containerd to listen', async () => (await node.tryRun(['ctr', '-a', socket, 'version'])).code === 0);
  await ctr('import', '--base-name', 'docker.io/local/e2e', join(UPSTREAM, 'images.tar'));
  await ctr('tag', '--force', 'docker.io/local/e2e:pause', 'k8s.gcr.io/pause:3.2');
  return socket;
}

type User = CertificateRequest['subject'];

function issued(control: Host, request: Omit<CertificateRequest, 'notBeforeMs' | 'notAfterMs'>) {
  const [certPem, keyPem] = ['ca.crt', 'ca.key'].map(file => readFileSync(serverPki(control, file), 'utf8')) as [
    string,
    string,
  ];
  const dates = { notBeforeMs: Date.now() - BACKDATE_MS, notAfterMs: Date.now() + DAY_MS };
  return issueKeyPair({ certPem, keyPem }, { ...request, ...dates });
}

/** A kubeconfig with which a program on `host` is `subject`. @returns its path */
async function kubeconfig(control: Host, host: Host, name: string, subject: User): Promise<string> {
  const { certPem, keyPem } = issued(control, { subject, usages: ['client'] });
  const path = host.path('upstream', `${name}.conf`);
  mkdirSync(host.path('upstream'), { recursive: true });
  const tls = { ca: readFileSync(serverPki(control, 'ca.crt'), 'utf8'), cert: certPem, key: keyPem };
  await writeKubeconfig(path, { name: 'k8ts', server: `https://${control.address}:6443`, tls });
  return path;
}

function program(name: string): string {
  return join(UPSTREAM, 'bin', name);
}

function logPath(host: Host, name: string): string {
  return host.path('upstream', `${name}.log`);
}
