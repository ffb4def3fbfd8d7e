/**
 * Renders config.toml of the private containerd. Pure.
 * Source: containerd's docs/cri/config.md of 1.6 and 1.7 (config version 2) and 2.x (version 3, CRI split in two plugins).
 *
 * - Nothing of a containerd that the host runs anyway is touched: root, state, sockets, runc's root and CNI directories are ours.
 * - Pod network namespaces are mounted under the state directory, not in /run/netns: whoever first runs `ip netns add` on the
 *   host then cannot mount them twice and make them undeletable.
 */

/** containerd's version as far as its configuration depends on it. */
export interface ContainerdVersion {
  readonly major: number;
  readonly minor: number;
}

/** What decides the configuration. Paths are absolute. */
export interface ContainerdConfigInput {
  readonly version: ContainerdVersion;
  readonly root: string;
  readonly state: string;
  readonly socket: string;
  /** In order of preference, existing ones only; containerd before 2.1 takes the first alone. */
  readonly cniBinDirs: readonly [string, ...string[]];
  readonly cniConfDir: string;
  /** Full name with domain and tag. */
  readonly sandboxImage: string;
  readonly cgroupDriver: 'cgroupfs' | 'systemd';
  /** Directory of registry host folders (hosts.toml). */
  readonly registryConfigDir: string;
  readonly snapshotter: 'overlayfs' | 'native';
  /** Without CAP_SYS_RESOURCE runc dies when it lowers oom_score_adj. */
  readonly restrictOomScoreAdj: boolean;
  readonly maxConcurrentDownloads: number;
}

type Value = string | number | boolean | readonly string[];

/** A TOML table: its header as a path of keys, and its settings. */
interface Table {
  readonly path: readonly string[];
  readonly values: Readonly<Record<string, Value>>;
}

/**
 * Plugins that pods never use; without them containerd starts faster and leaves no directories elsewhere.
 * io.containerd.runtime.v1.linux is not used either, but the task service of 1.x does not load without it.
 */
const DISABLED_PLUGINS = [
  'io.containerd.snapshotter.v1.aufs',
  'io.containerd.snapshotter.v1.blockfile',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.erofs',
  'io.containerd.snapshotter.v1.zfs',
  'io.containerd.differ.v1.erofs',
  'io.containerd.internal.v1.opt',
  'io.containerd.internal.v1.restart',
  'io.containerd.internal.v1.tracing',
  'io.containerd.tracing.processor.v1.otlp',
  'io.containerd.nri.v1.nri',
];

/** When memory runs out, containerd goes last. */
const PROTECTED_OOM_SCORE = -999;

/** Pulls that move no byte for so long are given up (containerd 1.7 and newer). The kubelet's own watch is quicker, and says why. */
const PULL_STALL_TIMEOUT = '5m0s';

/**
 * The version in what `containerd --version` prints; undefined if it is not there.
 * Distributions append to it: `containerd github.com/containerd/containerd 1.6.20~ds1 ...`.
 */
export function parseContainerdVersion(output: string): ContainerdVersion | undefined {
  const match = /\sv?(\d+)\.(\d+)\.\d+/.exec(output);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]) };
}

/** The text of config.toml. */
export function renderContainerdConfig(input: ContainerdConfigInput): string {
  const { version } = input;
  const head = {
    version: version.major >= 2 ? 3 : 2,
    root: input.root,
    state: input.state,
    oom_score: input.restrictOomScoreAdj ? 0 : PROTECTED_OOM_SCORE,
    disabled_plugins: DISABLED_PLUGINS,
  };
  const tables: Table[] = [
    { path: ['grpc'], values: { address: input.socket } },
    { path: ['ttrpc'], values: { address: `${input.socket}.ttrpc` } },
    { path: ['debug'], values: { level: 'warn' } },
    ...(version.major >= 2 ? version3(input) : version2(input)),
  ];
  const lines = ['# Written by k8ts at each start; changes are lost.', ...settings(head)];
  for (const { path, values } of tables) {
    lines.push(
      '',
      `[${path.map(key => (/^[a-z0-9_-]+$/.test(key) ? key : quote(key))).join('.')}]`,
      ...settings(values),
    );
  }
  return lines.join('\n') + '\n';
}

function version2(input: ContainerdConfigInput): Table[] {
  const cri = ['plugins', 'io.containerd.grpc.v1.cri'];
  // Device plugins may name devices by CDI; 2.x does so unasked.
  const since7 = input.version.minor >= 7 ? { image_pull_progress_timeout: PULL_STALL_TIMEOUT, enable_cdi: true } : {};
  return [
    {
      path: cri,
      values: {
        sandbox_image: input.sandboxImage,
        max_concurrent_downloads: input.maxConcurrentDownloads,
        ...since7,
        ...runtimeSettings(input),
        ...streamSettings,
      },
    },
    { path: [...cri, 'cni'], values: { bin_dir: input.cniBinDirs[0], ...cniSettings(input) } },
    { path: [...cri, 'registry'], values: { config_path: input.registryConfigDir } },
    { path: [...cri, 'containerd'], values: { default_runtime_name: 'runc', snapshotter: input.snapshotter } },
    ...runc([...cri, 'containerd'], input),
  ];
}

function version3(input: ContainerdConfigInput): Table[] {
  const images = ['plugins', 'io.containerd.cri.v1.images'];
  const runtime = ['plugins', 'io.containerd.cri.v1.runtime'];
  const hasTransferPull = input.version.major > 2 || input.version.minor >= 1;
  const downloads = { max_concurrent_downloads: input.maxConcurrentDownloads };
  const bin: Record<string, Value> = hasTransferPull
    ? { bin_dirs: input.cniBinDirs }
    : { bin_dir: input.cniBinDirs[0] };
  return [
    {
      path: images,
      values: {
        snapshotter: input.snapshotter,
        image_pull_progress_timeout: PULL_STALL_TIMEOUT,
        ...(hasTransferPull ? {} : downloads),
      },
    },
    { path: [...images, 'pinned_images'], values: { sandbox: input.sandboxImage } },
    { path: [...images, 'registry'], values: { config_path: input.registryConfigDir } },
    ...(hasTransferPull ? [{ path: ['plugins', 'io.containerd.transfer.v1.local'], values: downloads }] : []),
    { path: runtime, values: runtimeSettings(input) },
    { path: [...runtime, 'cni'], values: { ...bin, ...cniSettings(input), use_internal_loopback: true } },
    { path: [...runtime, 'containerd'], values: { default_runtime_name: 'runc' } },
    ...runc([...runtime, 'containerd'], input),
    { path: ['plugins', 'io.containerd.grpc.v1.cri'], values: streamSettings },
  ];
}

/** exec, attach and port-forward streams: from this machine alone, on a port that the kernel picks. */
const streamSettings = {
  disable_tcp_service: true,
  stream_server_address: '127.0.0.1',
  stream_server_port: '0',
};

function runtimeSettings(input: ContainerdConfigInput) {
  return { restrict_oom_score_adj: input.restrictOomScoreAdj, netns_mounts_under_state_dir: true };
}

function cniSettings(input: ContainerdConfigInput) {
  return { conf_dir: input.cniConfDir, max_conf_num: 1 };
}

function runc(parent: readonly string[], input: ContainerdConfigInput): Table[] {
  const handler = [...parent, 'runtimes', 'runc'];
  return [
    { path: handler, values: { runtime_type: 'io.containerd.runc.v2' } },
    {
      path: [...handler, 'options'],
      values: { Root: `${input.state}/runc`, SystemdCgroup: input.cgroupDriver === 'systemd' },
    },
  ];
}

function settings(values: Readonly<Record<string, Value>>): string[] {
  return Object.entries(values).map(([key, value]) => `${key} = ${render(value)}`);
}

function render(value: Value): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return `[${value.map(quote).join(', ')}]`;
}

/** TOML's basic strings take JSON's escapes. */
function quote(text: string): string {
  return JSON.stringify(text);
}
