/**
 * The configuration of k8ts: one table from which come the flags, their help, the environment variables (`K8TS_` and the name in capitals)
 * and the keys of the configuration file. Precedence: flag, environment, file, default.
 */
import { hostname } from 'node:os';
import { isIP } from 'node:net';
import { RuntimeConfigError, servedKinds } from '../controlplane/apiserver/registry/runtime-config.ts';
import { mayKubeletSet } from '../machinery/meta/node-labels.ts';
import { CliError, exitCodes } from './exit-codes.ts';
import { networkProblems } from './network-flags.ts';
import { DNS_MODES, dnsModeOf } from './dns-mode.ts';
import { proxyProblems } from './proxy-flags.ts';
import { rangeProblems, withPlainRanges } from './network-ranges.ts';
import { socketProblem } from './socket-address.ts';

/** Which commands take an option: `paths` every one that touches the state, `server` and `agent` those that run that part. */
type Part = 'paths' | 'server' | 'agent' | 'log';

interface OptionRow {
  readonly part: Part;
  /** `byFamily`: one value, or two with a comma between, one for each of IPv4 and IPv6; the first is of the primary family. */
  readonly type: 'string' | 'number' | 'boolean' | 'list' | 'byFamily';
  readonly default: string | number | boolean | undefined;
  readonly describe: string;
}

function row<const T extends OptionRow['type'], const D extends OptionRow['default']>(
  part: Part,
  type: T,
  value: D,
  describe: string,
) {
  return { part, type, default: value, describe } as const;
}

/** Every option, by flag name. */
export const optionTable = {
  'data-dir': row('paths', 'string', '/var/lib/k8ts', 'State: store, certificates, containers'),
  'config-dir': row('paths', 'string', '/etc/k8ts', 'Configuration and kubeconfigs'),
  'run-dir': row('paths', 'string', '/run/k8ts', 'Sockets and lock files'),
  'log-dir': row('paths', 'string', '/var/log/k8ts', 'Logs of k8ts, its runtime and pods'),
  'kubelet-dir': row(
    'paths',
    'string',
    undefined,
    'Volumes and plugins of the node (default: DATA-DIR/kubelet); drivers that are made for other clusters expect /var/lib/kubelet',
  ),
  'log-level': row('log', 'string', 'info', 'debug, info, warn or error'),
  'log-format': row('log', 'string', 'text', 'text or json'),

  'bind-address': row(
    'server',
    'string',
    '0.0.0.0',
    'Address that the API server listens on; 0.0.0.0 or :: for all, of both families',
  ),
  'secure-port': row('server', 'number', 6443, 'Port of the API server'),
  'advertise-address': row(
    'server',
    'string',
    undefined,
    "Address that others reach this server by (default: the node's)",
  ),
  'tls-san': row('server', 'list', undefined, 'Further names and addresses for the server certificate'),
  'etcd-servers': row(
    'server',
    'list',
    undefined,
    'URLs of the members of an etcd (3.4 or newer) that keeps the state (default: a file in the data directory)',
  ),
  'etcd-cafile': row('server', 'string', undefined, "Authority that signed etcd's certificates (PEM)"),
  'etcd-certfile': row('server', 'string', undefined, 'Certificate to show to etcd (PEM); read again when it changes'),
  'etcd-keyfile': row('server', 'string', undefined, 'Key of that certificate (PEM)'),
  'etcd-prefix': row('server', 'string', '/registry', 'What all keys in etcd begin with'),
  'cluster-cidr': row(
    'server',
    'byFamily',
    '10.244.0.0/16',
    'Range of pod addresses; two, one of IPv4 and one of IPv6, make a dual-stack cluster',
  ),
  'node-cidr-mask-size': row(
    'server',
    'number',
    undefined,
    "Length of the prefix of a node's part of --cluster-cidr (default: 24, of IPv6 64)",
  ),
  'node-cidr-mask-size-ipv4': row('server', 'number', undefined, 'The same of the IPv4 range of two'),
  'node-cidr-mask-size-ipv6': row('server', 'number', undefined, 'The same of the IPv6 range of two'),
  'service-cidr': row(
    'server',
    'byFamily',
    '10.96.0.0/16',
    'Range of service addresses; two, one of IPv4 and one of IPv6, make dual-stack services',
  ),
  'service-node-port-range': row('server', 'string', '30000-32767', 'Ports that NodePort services get'),
  'runtime-config': row(
    'server',
    'list',
    undefined,
    'Old API versions to serve as well, such as policy/v1beta1=true or api/beta=true',
  ),
  'legacy-token-secrets': row(
    'server',
    'boolean',
    false,
    'Give every ServiceAccount a token Secret, as Kubernetes before 1.24 did',
  ),
  'scheduler-bind-address': row(
    'server',
    'string',
    '127.0.0.1:10259',
    'Where the scheduler serves /metrics and /healthz (HTTPS); none for nowhere',
  ),
  'controllers-bind-address': row(
    'server',
    'string',
    '127.0.0.1:10257',
    'Where the controllers serve /metrics and /healthz (HTTPS); none for nowhere',
  ),
  'scheduler-config': row(
    'server',
    'string',
    undefined,
    'Settings of the scheduler: a KubeSchedulerConfiguration (YAML or JSON)',
  ),
  'scheduler-plugins': row(
    'server',
    'list',
    undefined,
    "Scheduler plugins of one's own: JavaScript modules whose plugins that file may name",
  ),
  without: row('server', 'list', undefined, 'Parts that somebody else provides: scheduler, controllers, local-path'),
  'cluster-domain': row('server', 'string', 'cluster.local', 'DNS domain of the cluster'),
  'cluster-dns': row(
    'server',
    'byFamily',
    undefined,
    'Address of the DNS service (default: the tenth of each service range)',
  ),
  'cluster-dns-mode': row(
    'server',
    'string',
    'auto',
    'Who answers there: auto (each node, until the Service kube-system/kube-dns has endpoints), builtin (each node) or external (nobody of ours)',
  ),

  'node-name': row('agent', 'string', undefined, "Name of this node (default: the host's name)"),
  'node-ip': row(
    'agent',
    'byFamily',
    undefined,
    "Address of this node, or one of each family (default: that of the default route, of each of the cluster's families)",
  ),
  'node-external-ip': row('agent', 'list', undefined, 'Addresses that this node has to the outside, for its status'),
  'node-labels': row('agent', 'list', undefined, 'Labels for this node, key=value'),
  'node-taints': row('agent', 'list', undefined, 'Taints for this node, key=value:Effect'),
  'kubelet-config': row('agent', 'string', undefined, 'Settings of the kubelet: a KubeletConfiguration (YAML or JSON)'),
  'kubelet-config-dir': row('agent', 'string', undefined, 'Directory of *.conf files that amend it'),
  'image-credential-provider-config': row(
    'agent',
    'string',
    undefined,
    'Credential providers for images: a CredentialProviderConfig (YAML or JSON), or a directory of them',
  ),
  'image-credential-provider-bin-dir': row('agent', 'string', undefined, 'Directory of the programs that it names'),
  'kubelet-port': row('agent', 'number', undefined, 'Port of the kubelet API (default: 10250)'),
  'container-runtime-endpoint': row(
    'agent',
    'string',
    undefined,
    'CRI socket of a runtime that runs already (default: a private containerd)',
  ),
  'containerd-binary': row('agent', 'string', 'containerd', 'The containerd to start'),
  'cgroup-root': row('agent', 'string', 'k8ts', 'Parent of all pod cgroups'),
  'pod-network': row(
    'agent',
    'string',
    'auto',
    "Way to other nodes' pods: routes (one network segment), vxlan (across routers), auto (by node), or none (another network's)",
  ),
  'vxlan-id': row('agent', 'number', 84, 'Number of the VXLAN network of pods; the same on all nodes'),
  'vxlan-port': row('agent', 'number', 8472, 'UDP port of VXLAN; the same on all nodes'),
  'pod-bridge': row('agent', 'string', 'k8ts0', 'Bridge that connects the pods of this node'),
  'proxy-mode': row(
    'agent',
    'string',
    'auto',
    "auto, iptables, nftables or userspace; auto is iptables where the host's rules are, else nftables",
  ),
  'nodeport-addresses': row(
    'agent',
    'list',
    undefined,
    'Ranges of the addresses of this node on which node ports answer, or primary (default: all its addresses)',
  ),
  'proxy-masquerade-bit': row('agent', 'number', 14, 'Bit of the packet mark that asks for masquerading (0 to 31)'),
  'proxy-localhost-nodeports': row('agent', 'boolean', true, 'Let node ports answer on 127.0.0.1 too'),
  'proxy-metrics-bind-address': row(
    'agent',
    'string',
    '127.0.0.1:10249',
    'Where the proxy serves /metrics and /proxyMode; none for nowhere',
  ),
  'proxy-healthz-bind-address': row(
    'agent',
    'string',
    '0.0.0.0:10256',
    'Where the proxy serves /healthz and /livez for load balancers; none for nowhere',
  ),
  'dns-metrics-bind-address': row(
    'agent',
    'string',
    '127.0.0.1:9153',
    'Where cluster DNS serves /metrics, /ready and /health besides port 9153 of its own address; none for nowhere else',
  ),
  'local-path-dir': row(
    'agent',
    'string',
    undefined,
    'Where this node keeps the volumes of storage class local-path (default: DATA-DIR/storage); none for a node that takes none',
  ),
  'max-pods': row('agent', 'number', undefined, 'Most pods on this node (default: 110)'),
} as const satisfies Record<string, OptionRow>;

export type OptionName = keyof typeof optionTable;

type Value<R extends OptionRow> = R['type'] extends 'list' | 'byFamily'
  ? string[]
  : R['type'] extends 'number'
    ? number
    : R['type'] extends 'boolean'
      ? boolean
      : string;
type Camel<S extends string> = S extends `${infer A}-${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;

/** Options by camel-case name; those without default may be undefined. */
export type Config = {
  -readonly [K in OptionName as Camel<K>]: undefined extends (typeof optionTable)[K]['default']
    ? Value<(typeof optionTable)[K]> | undefined
    : Value<(typeof optionTable)[K]>;
};

/** Options that are absolute paths. */
const PATHS = [
  'data-dir',
  'config-dir',
  'run-dir',
  'log-dir',
  'kubelet-dir',
  'kubelet-config',
  'kubelet-config-dir',
  'scheduler-config',
  'image-credential-provider-config',
  'image-credential-provider-bin-dir',
] as const;
/** What a control plane can leave to others. */
const PARTS = ['scheduler', 'controllers', 'local-path'];
const LEVELS = ['debug', 'info', 'warn', 'error'];
/** What a certificate may be for besides addresses: a DNS name, also of all hosts of a domain. */
const SAN = /^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/i;
const NODE_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

function camel(name: string): string {
  return name.replace(/-(.)/g, (_, c: string) => c.toUpperCase());
}

/**
 * Takes what yargs parsed and checks every value.
 * @throws CliError (usage) that names every wrong flag
 */
export function readConfig(argv: Readonly<Record<string, unknown>>): Config {
  const config: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(optionTable) as [OptionName, OptionRow][]) {
    const given = argv[name] ?? option.default;
    config[camel(name)] = isList(option.type) && given !== undefined ? listOf(given) : given;
  }
  const wrongTypes = typeProblems(config);
  const problems = wrongTypes.length > 0 ? wrongTypes : problemsOf(config as Config);
  if (problems.length > 0)
    throw new CliError(`Wrong configuration:\n${problems.map(p => `  ${p}`).join('\n')}`, exitCodes.usage);
  return withPlainRanges(config as Config);
}

function isList(type: OptionRow['type']): boolean {
  return type === 'list' || type === 'byFamily';
}

/** What the file gave in the wrong type; flags and environment come in the right one. */
function typeProblems(config: Readonly<Record<string, unknown>>): string[] {
  return (Object.entries(optionTable) as [OptionName, OptionRow][]).flatMap(([name, { type }]) => {
    const value = config[camel(name)];
    if (value === undefined || isList(type)) return [];
    const isRight = typeof value === type && !Number.isNaN(value);
    return isRight ? [] : [`--${name}: ${typeof value === 'number' ? value : JSON.stringify(value)} is no ${type}`];
  });
}

function listOf(value: unknown): string[] {
  const items = Array.isArray(value) ? value : [value];
  return items
    .flatMap(item => String(item).split(','))
    .map(item => item.trim())
    .filter(item => item !== '');
}

/** One sentence a wrong value. */
function problemsOf(c: Config): string[] {
  const problems: string[] = [];
  const say = (flag: OptionName, value: unknown, want: string): void => {
    problems.push(`--${flag}: ${JSON.stringify(value)} ${want}`);
  };
  const port = (flag: OptionName, value: number | undefined): void => {
    if (value === undefined) return;
    if (!Number.isInteger(value) || value < 1 || value > 65535) say(flag, value, 'is no port (1 to 65535)');
  };
  const address = (flag: OptionName, value: string | undefined): void => {
    if (value !== undefined && isIP(value) === 0) say(flag, value, 'is no IP address');
  };
  rangeProblems(c, say);
  port('secure-port', c.securePort);
  port('kubelet-port', c.kubeletPort);
  address('bind-address', c.bindAddress);
  address('advertise-address', c.advertiseAddress);
  for (const external of c.nodeExternalIp ?? []) address('node-external-ip', external);
  if (dnsModeOf(c.clusterDnsMode) === undefined)
    say('cluster-dns-mode', c.clusterDnsMode, `is none of ${DNS_MODES.join(', ')}`);
  const dnsSocket = socketProblem(c.dnsMetricsBindAddress);
  if (dnsSocket !== undefined) say('dns-metrics-bind-address', c.dnsMetricsBindAddress, dnsSocket);
  if (!LEVELS.includes(c.logLevel)) say('log-level', c.logLevel, `is none of ${LEVELS.join(', ')}`);
  if (!['text', 'json'].includes(c.logFormat)) say('log-format', c.logFormat, 'is neither text nor json');
  if (c.nodeName !== undefined && (!NODE_NAME.test(c.nodeName) || c.nodeName.length > 253))
    say('node-name', c.nodeName, 'is no DNS name in lower case');
  problems.push(...networkProblems(c));
  if (c.maxPods !== undefined && (!Number.isInteger(c.maxPods) || c.maxPods < 1))
    say('max-pods', c.maxPods, 'is no positive number');
  problems.push(...proxyProblems(c));
  const [from = 0, to = 0] = /^(\d+)-(\d+)$/.exec(c.serviceNodePortRange)?.slice(1).map(Number) ?? [];
  if (from < 1 || to > 65535 || from > to)
    say('service-node-port-range', c.serviceNodePortRange, 'is no range of ports, such as 30000-32767');
  for (const setting of c.runtimeConfig ?? []) {
    try {
      servedKinds([setting]);
    } catch (error) {
      if (!(error instanceof RuntimeConfigError)) throw error;
      problems.push(`--runtime-config: ${error.message}`);
    }
  }
  for (const flag of ['scheduler-bind-address', 'controllers-bind-address'] as const) {
    const value = c[camel(flag) as 'schedulerBindAddress'];
    const problem = socketProblem(value);
    if (problem !== undefined) say(flag, value, problem);
  }
  for (const name of c.tlsSan ?? []) {
    if (isIP(name) === 0 && !SAN.test(name)) say('tls-san', name, 'is neither an IP address nor a DNS name');
  }
  for (const part of c.without ?? []) if (!PARTS.includes(part)) say('without', part, `is none of ${PARTS.join(', ')}`);
  for (const label of c.nodeLabels ?? []) {
    if (!/^[^=]+=[^=]*$/.test(label)) say('node-labels', label, 'is not key=value');
    else if (!mayKubeletSet(label.slice(0, label.indexOf('='))))
      say('node-labels', label, 'is none that a node may give itself; let the administrator do it: kubectl label node');
  }
  for (const taint of c.nodeTaints ?? []) {
    if (!/^[^=:]+(=[^:]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$/.test(taint))
      say('node-taints', taint, 'is not key=value:NoSchedule, :PreferNoSchedule or :NoExecute');
  }
  etcdProblems(c, say);
  const { imageCredentialProviderConfig: providers, imageCredentialProviderBinDir: programs } = c;
  if (providers !== undefined && programs === undefined)
    say('image-credential-provider-config', providers, 'needs --image-credential-provider-bin-dir too');
  if (programs !== undefined && providers === undefined)
    say('image-credential-provider-bin-dir', programs, 'needs --image-credential-provider-config too');
  if (c.localPathDir !== undefined && c.localPathDir !== 'none' && !isPlainPath(c.localPathDir))
    say('local-path-dir', c.localPathDir, 'is neither none nor an absolute path without . and .. below /');
  for (const file of c.schedulerPlugins ?? [])
    if (!file.startsWith('/')) say('scheduler-plugins', file, 'is no absolute path');
  if (c.schedulerPlugins !== undefined && c.schedulerConfig === undefined)
    say('scheduler-plugins', c.schedulerPlugins, 'needs --scheduler-config too, whose profiles name the plugins');
  for (const flag of PATHS) {
    const value = c[camel(flag) as 'kubeletConfig'];
    if (value !== undefined && !value.startsWith('/')) say(flag, value, 'is no absolute path');
  }
  return problems;
}

function isPlainPath(path: string): boolean {
  return /^(\/[^/\0]+)+$/.test(path) && !path.split('/').some(part => part === '.' || part === '..');
}

function etcdProblems(c: Config, say: (flag: OptionName, value: unknown, want: string) => void): void {
  const { etcdServers, etcdCafile, etcdCertfile, etcdKeyfile, etcdPrefix } = c;
  for (const server of etcdServers ?? [])
    if (!isEtcdUrl(server)) say('etcd-servers', server, 'is no URL of an etcd member, such as https://10.0.0.5:2379');
  if (etcdServers?.length === 0) say('etcd-servers', etcdServers, 'names no member, such as https://10.0.0.5:2379');
  const files = { 'etcd-cafile': etcdCafile, 'etcd-certfile': etcdCertfile, 'etcd-keyfile': etcdKeyfile } as const;
  for (const [flag, path] of Object.entries(files) as [keyof typeof files, string | undefined][]) {
    if (path === undefined) continue;
    if (!path.startsWith('/')) say(flag, path, 'is no absolute path');
    if (etcdServers === undefined) say(flag, path, 'is of no use without --etcd-servers');
    else if (!etcdServers.some(server => server.startsWith('https:')))
      say(flag, path, 'is of no use: no URL of --etcd-servers begins with https');
  }
  if (etcdCertfile !== undefined && etcdKeyfile === undefined)
    say('etcd-certfile', etcdCertfile, 'needs --etcd-keyfile too');
  if (etcdKeyfile !== undefined && etcdCertfile === undefined)
    say('etcd-keyfile', etcdKeyfile, 'needs --etcd-certfile too');
  if (!/^(\/[\w.-]+)+$/.test(etcdPrefix))
    say('etcd-prefix', etcdPrefix, 'is no key prefix, such as /registry (a slash before each part, none at the end)');
  else if (etcdPrefix !== '/registry' && etcdServers === undefined)
    say('etcd-prefix', etcdPrefix, 'is of no use without --etcd-servers');
}

/** Scheme, host and port, nothing else. */
function isEtcdUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, pathname, search, hash, username, password } = new URL(text);
  const rest = [search, hash, username, password].join('');
  return ['http:', 'https:'].includes(protocol) && hostname !== '' && pathname === '/' && rest === '';
}

/** The node's name: as configured, else the host's in lower case. */
export function nodeNameOf(config: Config): string {
  return config.nodeName ?? hostname().toLowerCase();
}
