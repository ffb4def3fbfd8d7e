/**
 * The scheduler's settings, whole: what its configuration file says and upstream's defaults for what it does not.
 *
 * Source: `pkg/scheduler/apis/config/v1/defaults.go`, 1.36.
 */
import { isJsonObject } from '../../../../machinery/meta/json-value.ts';
import { parseDurationMs } from '../../../../machinery/meta/duration.ts';
import type {
  Extender,
  ExtenderTLSConfig,
  InterPodAffinityArgs,
  KubeSchedulerConfiguration,
  KubeSchedulerProfile,
  NodeAffinityArgs,
  NodeResourcesBalancedAllocationArgs,
  NodeResourcesFitArgs,
  PodTopologySpreadArgs,
  ResourceSpec,
  VolumeBindingArgs,
} from '../../../../proto/api/kube-scheduler-config-v1.ts';
import { mergeWithDefaults, type MergedPlugins } from './plugin-sets.ts';

export const CONFIGURATION_API_VERSION = 'kubescheduler.config.k8s.io/v1';
export const CONFIGURATION_KIND = 'KubeSchedulerConfiguration';

/** The arguments of the plugins that have some, whole. */
export interface PluginArgs {
  DefaultPreemption: { minCandidateNodesPercentage: number; minCandidateNodesAbsolute: number };
  InterPodAffinity: InterPodAffinityArgs & { hardPodAffinityWeight: number };
  NodeAffinity: NodeAffinityArgs;
  NodeResourcesBalancedAllocation: NodeResourcesBalancedAllocationArgs & { resources: Required<ResourceSpec>[] };
  NodeResourcesFit: NodeResourcesFitArgs;
  PodTopologySpread: PodTopologySpreadArgs;
  VolumeBinding: VolumeBindingArgs & { bindTimeoutSeconds: number };
}

export type ConfigurablePlugin = keyof PluginArgs;

export const CONFIGURABLE_PLUGINS: readonly ConfigurablePlugin[] = [
  'DefaultPreemption',
  'InterPodAffinity',
  'NodeAffinity',
  'NodeResourcesBalancedAllocation',
  'NodeResourcesFit',
  'PodTopologySpread',
  'VolumeBinding',
];

export interface ProfileSettings extends MergedPlugins {
  /** Pods that name it as their scheduler are the profile's. */
  readonly schedulerName: string;
  /** Share of the nodes that have to fit before the search ends; 0: by the size of the cluster. */
  readonly percentageOfNodesToScore: number;
  /** Of every plugin that has known ones, and what the file says of others. By plugin. */
  readonly args: Readonly<Record<string, unknown>>;
}

export interface ExtenderSettings {
  readonly urlPrefix: string;
  readonly filterVerb: string;
  readonly preemptVerb: string;
  readonly prioritizeVerb: string;
  readonly bindVerb: string;
  readonly weight: number;
  readonly enableHTTPS: boolean;
  readonly tlsConfig: ExtenderTLSConfig | undefined;
  readonly httpTimeoutMs: number;
  readonly nodeCacheCapable: boolean;
  /** Names of extended resources; empty: every pod is the extender's business. */
  readonly managedResources: ReadonlySet<string>;
  readonly ignorable: boolean;
}

export interface SchedulerSettings {
  /** At least one; names differ. */
  readonly profiles: readonly ProfileSettings[];
  readonly extenders: readonly ExtenderSettings[];
  readonly podInitialBackoffMs: number;
  readonly podMaxBackoffMs: number;
  readonly leaderElection: ElectionSettings;
}

export interface ElectionSettings {
  /** False: works beside others that do the same. */
  readonly leaderElect: boolean;
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
}

/** A configuration in which everything stands that has a default. */
export type WholeConfiguration = KubeSchedulerConfiguration & {
  profiles: KubeSchedulerProfile[];
  podInitialBackoffSeconds: number;
  podMaxBackoffSeconds: number;
};

const DEFAULT_SCHEDULER_NAME = 'default-scheduler';
const DEFAULT_EXTENDER_TIMEOUT_MS = 5000;
const DEFAULT_ELECTION = {
  leaderElect: true,
  leaseDuration: '15s',
  renewDeadline: '10s',
  retryPeriod: '2s',
  resourceLock: 'leases',
  resourceName: 'kube-scheduler',
  resourceNamespace: 'kube-system',
};

/** Only a single profile gets a name by default. */
export function withDefaults(file: KubeSchedulerConfiguration): WholeConfiguration {
  const profiles = file.profiles === undefined || file.profiles.length === 0 ? [{}] : file.profiles;
  return {
    ...file,
    podInitialBackoffSeconds: file.podInitialBackoffSeconds ?? 1,
    podMaxBackoffSeconds: file.podMaxBackoffSeconds ?? 10,
    leaderElection: { ...DEFAULT_ELECTION, ...withoutBlanks(file.leaderElection) },
    profiles: profiles.map(profile => ({
      ...profile,
      ...(profiles.length === 1 && profile.schedulerName === undefined
        ? { schedulerName: DEFAULT_SCHEDULER_NAME }
        : {}),
      pluginConfig: (profile.pluginConfig ?? []).map(({ name, args }) => ({
        name,
        args: argsWithDefaults(name, args),
      })),
    })),
  };
}

/** Upstream's files have empty text and zero for what nobody said. */
function withoutBlanks<T extends object>(settings: T | undefined): Partial<T> {
  const said = Object.entries(settings ?? {}).filter(([, v]) => v !== '' && v !== '0s');
  return Object.fromEntries(said) as Partial<T>;
}

/** @param args as in the file; of a plugin without known arguments they stay as they are */
export function argsWithDefaults(plugin: string, args: unknown): unknown {
  if (!isConfigurable(plugin)) return args;
  const given = isJsonObject(args) ? args : {};
  const said = Object.entries(given).filter(([field, v]) => field !== 'apiVersion' && field !== 'kind' && v !== null);
  return DEFAULT_ARGS[plugin](Object.fromEntries(said) as never);
}

export function isConfigurable(plugin: string): plugin is ConfigurablePlugin {
  return (CONFIGURABLE_PLUGINS as readonly string[]).includes(plugin);
}

const DEFAULT_ARGS: { readonly [P in ConfigurablePlugin]: (said: Partial<PluginArgs[P]>) => PluginArgs[P] } = {
  DefaultPreemption: said => ({
    minCandidateNodesPercentage: said.minCandidateNodesPercentage ?? 10,
    minCandidateNodesAbsolute: said.minCandidateNodesAbsolute ?? 100,
  }),
  InterPodAffinity: said => ({ ...said, hardPodAffinityWeight: said.hardPodAffinityWeight ?? 1 }),
  NodeAffinity: said => said,
  NodeResourcesBalancedAllocation: said => ({ ...said, resources: weighted(said.resources) }),
  NodeResourcesFit: said => ({
    ...said,
    scoringStrategy: {
      ...(said.scoringStrategy ?? { type: 'LeastAllocated' }),
      resources: weighted(said.scoringStrategy?.resources),
    },
  }),
  PodTopologySpread: said => ({
    ...said,
    defaultingType: isSaid(said.defaultingType) ? said.defaultingType : 'System',
  }),
  VolumeBinding: said => ({ ...said, bindTimeoutSeconds: said.bindTimeoutSeconds ?? 600 }),
};

function isSaid(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}

function weighted(resources: readonly ResourceSpec[] = []): Required<ResourceSpec>[] {
  const named = resources.length > 0 ? resources : [{ name: 'cpu' }, { name: 'memory' }];
  return named.map(({ name, weight }: ResourceSpec) => ({ name, weight: (weight ?? 0) === 0 ? 1 : (weight ?? 1) }));
}

/** What a valid configuration means. */
export function settingsOf(whole: WholeConfiguration): SchedulerSettings {
  const election = { ...DEFAULT_ELECTION, ...whole.leaderElection };
  const ignored = (whole.extenders ?? []).flatMap(({ managedResources = [] }) =>
    managedResources.filter(resource => resource.ignoredByScheduler === true).map(({ name }) => name),
  );
  return {
    profiles: whole.profiles.map(profile => profileOf(profile, whole.percentageOfNodesToScore ?? 0, ignored)),
    extenders: (whole.extenders ?? []).map(extenderOf),
    podInitialBackoffMs: whole.podInitialBackoffSeconds * 1000,
    podMaxBackoffMs: whole.podMaxBackoffSeconds * 1000,
    leaderElection: {
      leaderElect: election.leaderElect ?? true,
      leaseDurationMs: parseDurationMs(election.leaseDuration) ?? 0,
      renewDeadlineMs: parseDurationMs(election.renewDeadline) ?? 0,
      retryPeriodMs: parseDurationMs(election.retryPeriod) ?? 0,
    },
  };
}

/** What holds where no file is given. */
export function defaultSettings(): SchedulerSettings {
  return settingsOf(withDefaults({}));
}

/** @param ignored resources that extenders look after alone */
function profileOf(profile: KubeSchedulerProfile, percentage: number, ignored: readonly string[]): ProfileSettings {
  const args: Record<string, unknown> = {};
  for (const name of CONFIGURABLE_PLUGINS) args[name] = argsWithDefaults(name, undefined);
  for (const { name, args: said } of profile.pluginConfig ?? []) args[name] = said;
  const fit = args['NodeResourcesFit'] as PluginArgs['NodeResourcesFit'];
  if (ignored.length > 0)
    args['NodeResourcesFit'] = { ...fit, ignoredResources: [...(fit.ignoredResources ?? []), ...ignored] };
  return {
    ...mergeWithDefaults(profile.plugins),
    schedulerName: profile.schedulerName ?? '',
    percentageOfNodesToScore: profile.percentageOfNodesToScore ?? percentage,
    args,
  };
}

function extenderOf(extender: Extender): ExtenderSettings {
  const timeoutMs = parseDurationMs(extender.httpTimeout ?? '0s') ?? 0;
  return {
    urlPrefix: extender.urlPrefix.replace(/\/+$/, ''),
    filterVerb: extender.filterVerb ?? '',
    preemptVerb: extender.preemptVerb ?? '',
    prioritizeVerb: extender.prioritizeVerb ?? '',
    bindVerb: extender.bindVerb ?? '',
    weight: extender.weight ?? 0,
    enableHTTPS: extender.enableHTTPS ?? false,
    tlsConfig: extender.tlsConfig,
    httpTimeoutMs: timeoutMs === 0 ? DEFAULT_EXTENDER_TIMEOUT_MS : timeoutMs,
    nodeCacheCapable: extender.nodeCacheCapable ?? false,
    managedResources: new Set((extender.managedResources ?? []).map(({ name }) => name)),
    ignorable: extender.ignorable ?? false,
  };
}
