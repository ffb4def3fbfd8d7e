/**
 * The node's pod network: kernel settings, the service range's way to nowhere, the CNI configuration, the bridge, rules for masquerading
 * and forwarding, and the ways to the pods of other nodes.
 *
 * - It follows Node objects: a new node's route is there as soon as it has a range and an address, and goes with it.
 * - What somebody else changes (links, routes, forwarding, rules, the configuration) is told by the kernel and repaired at once; what
 *   nobody tells of, with the next regular look.
 * - Another network's configuration in the CNI directory is left alone; then no configuration, rule or route of ours is made.
 * - Nothing is removed when it stops: pods go on. `cleanup()` removes all.
 */
import { mkdir } from 'node:fs/promises';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import { errorText } from '../../machinery/meta/error-text.ts';
import { LinkMonitor } from '../host/link-monitor.ts';
import type { RuleChanges } from '../node-iptables/index.ts';
import { Attachments, CNI_CACHE_DIR } from './attachments.ts';
import { CNI_PLUGIN_DIRS } from './cni-directory.ts';
import { clearLeftBehind, type LeftBehindOptions } from './left-behind.ts';
import { NetworkSetup, type NetworkSetupOptions, type NetworkStatus } from './network-setup.ts';
import { isRelevant } from './plan/link-event.ts';
import { nodeFingerprint } from './plan/peers.ts';
import { Wakeups } from './wakeups.ts';
import { WatchedDirectories } from './watch-directories.ts';

export type { NetworkStatus } from './network-setup.ts';

export interface PodNetworkOptions extends Omit<NetworkSetupOptions, 'attachments' | 'cniPluginDirs'> {
  /** Default CNI_PLUGIN_DIRS. */
  readonly cniPluginDirs?: readonly string[];
  /** Where the runtime remembers what it attached; default CNI_CACHE_DIR. */
  readonly cniCacheDir?: string;
  /** Ids of all sandboxes that the runtime knows; without, what it leaves behind stays. */
  readonly sandboxIds?: LeftBehindOptions['sandboxIds'] | undefined;
  /** Told when `status()` is another. */
  readonly onStatus?: (() => void) | undefined;
  readonly clock: Clock;
  /** Tells when somebody changes rules; without, they are looked at more often. */
  readonly ruleChanges?: RuleChanges | undefined;
  /** How often all is compared with the kernel when nothing is told; default 20 s, or a minute if changes of rules are told too. */
  readonly checkMs?: number;
  /** Words before commands, for another network namespace than this process's. */
  readonly prefix?: readonly string[];
}

const CHECK_MS = 20_000;
const WATCHED_CHECK_MS = 60_000;
/** What is missing, such as a plugin, may come without a word. */
const UNREADY_CHECK_MS = 5_000;
/** Whoever changes rules may not be done; and the proxy changes its own all the time. */
const RULES_SETTLE_MS = 500;
const RULES_GAP_MS = 10_000;
const CLEAR_MS = 600_000;
const FIRST_RETRY_MS = 500;
/** Looks in a row that failed, until a network that stood counts as broken: some four seconds. */
const FAILURES_OF_A_NETWORK = 4;
const MAX_RETRY_MS = 30_000;
const MOST_TOLD = 20;

export class PodNetwork implements Component {
  readonly name = 'network';
  private readonly options: PodNetworkOptions;
  private readonly attachments: Attachments;
  private readonly setup: NetworkSetup;
  private readonly wakeups: Wakeups;
  private readonly directories: WatchedDirectories;
  private readonly cacheDirectory: WatchedDirectories;
  private readonly isSetUp: Promise<void>;
  private readonly settleSetUp: { resolve: () => void; reject: (error: unknown) => void };
  private current: NetworkStatus = {
    ready: false,
    reason: 'NetworkStarting',
    message: 'the pod network is being set up',
  };
  private rulesCheckedMs = -Infinity;
  private isRulesCheckPlanned = false;
  private clearDueMs = -Infinity;

  constructor(options: PodNetworkOptions) {
    const { cniCacheDir: cacheDir = CNI_CACHE_DIR, cniIpamDir: ipamDir, cniPluginDirs = CNI_PLUGIN_DIRS } = options;
    this.options = options;
    this.attachments = new Attachments({ cacheDir, ipamDir });
    this.setup = new NetworkSetup({ ...options, cniPluginDirs, attachments: this.attachments });
    this.wakeups = new Wakeups(options.clock);
    this.directories = new WatchedDirectories(() => this.wakeups.disturb());
    // Each pod that comes or goes is told here; those without host ports cost no more than this question.
    this.cacheDirectory = new WatchedDirectories(() => {
      this.setup.haveHostPortsChanged().then(
        changed => void (changed && this.wakeups.wake()),
        // What is wrong is found, and told of, by the next look.
        () => this.wakeups.disturb(),
      );
    });
    let settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;
    this.isSetUp = new Promise((resolve, reject) => (settle = { resolve, reject }));
    this.isSetUp.catch(() => {});
    this.settleSetUp = settle ?? { resolve: () => {}, reject: () => {} };
  }

  /** Resolves once service addresses have their place: cluster DNS can bind. The network itself waits for the node's range. */
  ready(): Promise<void> {
    return this.isSetUp;
  }

  status(): NetworkStatus {
    return this.current;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { nodes, clock, prefix = [], ruleChanges } = this.options;
    const { wakeups } = this;
    const wake = (): void => wakeups.wake();
    const removeHandler = nodes.addHandler({
      onAdd: wake,
      // Heartbeats change a Node all the time; only ranges and addresses matter.
      onUpdate: (before, now) => void (nodeFingerprint(before) !== nodeFingerprint(now) && wake()),
      onDelete: wake,
    });
    const removeRulesHandler = ruleChanges?.onChange(() => this.suspectRules());
    const monitor = new LinkMonitor({
      clock,
      prefix,
      onLine: line => void (isRelevant(line, this.setup.linkNames) && wakeups.disturb()),
      onGap: () => wakeups.disturb(),
    });
    signal.addEventListener('abort', wake);
    const monitoring = monitor.run(signal);
    try {
      await this.loop(signal);
    } finally {
      signal.removeEventListener('abort', wake);
      removeHandler();
      removeRulesHandler?.();
      this.directories.close();
      this.cacheDirectory.close();
      this.settleSetUp.reject(signal.reason ?? new Error('the pod network stopped before it was set up'));
      await monitoring;
    }
  }

  /** Removes everything that `run` made; says what. */
  cleanup(): Promise<string[]> {
    return this.setup.cleanup();
  }

  private async loop(signal: AbortSignal): Promise<void> {
    const { ruleChanges, log } = this.options;
    let [retryMs, failures] = [0, 0];
    while (!signal.aborted) {
      const disturbed = this.wakeups.begin();
      try {
        const { status, changes } = await this.setup.look(() => this.settleSetUp.resolve());
        this.rulesCheckedMs = this.options.clock.monotonicMs();
        if (status !== undefined) this.set(status);
        await this.followDirectories();
        await this.clearLeftBehind();
        [retryMs, failures] = [0, 0];
        if (disturbed) this.wakeups.repaired(changes.length);
        if (disturbed && changes.length > 0)
          log.warn({ changes: changes.slice(0, MOST_TOLD) }, 'somebody changed the pod network; it is as it should be');
      } catch (error) {
        retryMs = Math.min(Math.max(FIRST_RETRY_MS, retryMs * 2), MAX_RETRY_MS);
        failures++;
        // What stood goes on standing: one command that fails says nothing of it.
        if (!this.current.ready || failures >= FAILURES_OF_A_NETWORK)
          this.set({ ready: false, reason: 'NetworkSetupFailed', message: errorText(error) });
        log.error({ error: String(error), retryMs }, 'the pod network could not be set up');
      }
      const { checkMs = ruleChanges?.watching === true ? WATCHED_CHECK_MS : CHECK_MS } = this.options;
      const restMs = this.current.ready ? checkMs : Math.min(checkMs, UNREADY_CHECK_MS);
      await this.wakeups.wait(retryMs > 0 ? retryMs : restMs);
    }
  }

  /** Now and then, and never in the way of anything else. */
  private async clearLeftBehind(): Promise<void> {
    const { sandboxIds, cniIpamDir: ipamDir, clock, log } = this.options;
    if (sandboxIds === undefined || clock.monotonicMs() < this.clearDueMs) return;
    this.clearDueMs = clock.monotonicMs() + CLEAR_MS;
    try {
      const cleared = await clearLeftBehind({ ipamDir, attachments: this.attachments, sandboxIds }, clock.now());
      if (cleared.length > 0) log.info({ cleared }, 'addresses of pods that are no more are free again');
    } catch (error) {
      log.warn({ error: String(error) }, 'cannot look for addresses of pods that are no more');
    }
  }

  private suspectRules(): void {
    if (this.isRulesCheckPlanned) return;
    const { clock } = this.options;
    this.isRulesCheckPlanned = true;
    const dueMs = Math.max(clock.monotonicMs() + RULES_SETTLE_MS, this.rulesCheckedMs + RULES_GAP_MS);
    clock.after(dueMs - clock.monotonicMs(), () => {
      this.isRulesCheckPlanned = false;
      this.wakeups.disturb();
    });
  }

  /** (The runtime's memory of its sandboxes matters all the time only where host ports are read from it.) */
  private async followDirectories(): Promise<void> {
    const { mode, cniConfDir, rules, cniCacheDir = CNI_CACHE_DIR, cniPluginDirs = CNI_PLUGIN_DIRS } = this.options;
    if (mode === 'none') return;
    if (await this.directories.follow([cniConfDir, ...cniPluginDirs])) this.wakeups.disturb();
    if (!rules.hasHostPorts) return;
    // As libcni makes it, which may not have had to yet.
    await mkdir(cniCacheDir, { recursive: true, mode: 0o700 });
    if (await this.cacheDirectory.follow([cniCacheDir])) this.wakeups.disturb();
  }

  private set(status: NetworkStatus): void {
    if (status.reason === this.current.reason && status.message === this.current.message) return;
    this.current = status;
    this.options.log.info({ ...status }, 'pod network');
    this.options.onStatus?.();
  }
}
