/**
 * Keeps the packet filter of this node as NetworkPolicies ask.
 *
 * - Without policies nothing is followed but policies themselves and the node's own pods, and no rule stands.
 * - A change is written at once; changes that come during a write are written together by the next one.
 * - A pod of this node starts no container before the rules for its addresses stand (`podAddresses()`).
 * - Rules stay when it stops, so that policies hold while it restarts; `reset` of the node removes them.
 */
import type { Client } from '../../machinery/client/client.ts';
import { subjectOf } from '../../machinery/client/event-recorder.ts';
import type { EventSink } from '../../machinery/client/event-recorder.ts';
import type { Informer } from '../../machinery/client/informer.ts';
import { networkPolicies } from '../../machinery/client/resource.ts';
import { errorText } from '../../machinery/meta/error-text.ts';
import { keyOf } from '../../machinery/meta/object.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { Namespace, Pod } from '../../proto/api/core-v1.ts';
import type { NetworkPolicy } from '../../proto/api/networking-v1.ts';
import type { Sysctls } from '../host/sysctl.ts';
import { LocalPods } from './local-pods.ts';
import { PeerPods } from './peer-pods.ts';
import { compilePolicy } from './plan/compile-policy.ts';
import { canonicalAddress, isStatic } from './plan/pod-facts.ts';
import type { PolicyBackend } from './policy-backend.ts';
import type { PolicyMetrics } from './policy-metrics.ts';
import { PolicyState } from './policy-state.ts';
import { PolicyWriter } from './policy-writer.ts';

/** Tells that somebody, we included, changed rules. */
export interface RuleChanges {
  readonly watching: boolean;
  onChange(listener: () => void): () => void;
}

export interface NetworkPoliciesOptions {
  readonly policies: Informer<NetworkPolicy>;
  readonly namespaces: Informer<Namespace>;
  /** Those of this node. */
  readonly localPods: Informer<Pod>;
  /** Lists and watches pods of all nodes, once a policy needs them. */
  readonly client: Client;
  readonly nodeName: string;
  /** Undefined where the kernel has no packet filter: then policies are without effect, and are told so. */
  readonly backend: PolicyBackend | undefined;
  /** Of other packet filters that an earlier process may have used; cleaned up once the rules stand. */
  readonly leftovers: readonly PolicyBackend[];
  /** Service addresses at which this node answers for cluster DNS. */
  readonly answered: () => readonly string[];
  /** Whether the pod network is ours: with another's, policies are that one's business. */
  readonly isOurNetwork: () => boolean;
  readonly sysctls: Pick<Sysctls, 'set'>;
  readonly ruleChanges?: RuleChanges | undefined;
  readonly recorder: EventSink;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Without them packets between pods of one node do not pass the packet filter. */
const SYSCTLS = ['net.bridge.bridge-nf-call-iptables', 'net.bridge.bridge-nf-call-ip6tables'] as const;
const MIN_RETRY_MS = 200;
const MAX_RETRY_MS = 10_000;
const PEERS_PATIENCE_MS = 5_000;
const POD_PATIENCE_MS = 10_000;
const POLL_MS = 10_000;
/** Where something tells of changes this is for what it missed. */
const WATCHED_POLL_MS = 300_000;
const QUIET_MS = 1_000;
const LOOK_PAUSE_MS = 5_000;
/** Of events. */
const REASON = 'NetworkPolicyNotEnforced';

export class NetworkPolicies implements Component {
  readonly name = 'network-policy';
  private readonly options: NetworkPoliciesOptions;
  private readonly state = new PolicyState();
  private readonly writer: PolicyWriter | undefined;
  private readonly local: LocalPods;
  private readonly peers: PeerPods;
  private wake: (() => void) | undefined;
  private changes = 1;
  private writtenChanges = 0;
  private failure: string | undefined;
  private readonly waiting = new Set<() => void>();
  private dueMs = Infinity;
  private lookedAtMs = -Infinity;
  private readonly leftovers: PolicyBackend[];
  private bridged = false;
  private metrics: PolicyMetrics | undefined;

  constructor(options: NetworkPoliciesOptions) {
    this.options = options;
    this.writer = options.backend === undefined ? undefined : new PolicyWriter(this.state, options.backend);
    this.leftovers = [...options.leftovers];
    this.local = new LocalPods(this.state, () => this.touch());
    this.peers = new PeerPods({
      client: options.client,
      nodeName: options.nodeName,
      clock: options.clock,
      log: options.log,
      onPod: pod => {
        this.state.putPod(pod, false);
        this.touch();
      },
      onGone: key => {
        this.state.removePod(key);
        this.touch();
      },
    });
  }

  /** Others may start at once: their pods wait by themselves. */
  ready(): Promise<void> {
    return Promise.resolve();
  }

  /** Where it counts from now on. */
  measure(metrics: PolicyMetrics): void {
    this.metrics = metrics;
  }

  /** The node answers other service addresses, or the network is another's now. */
  nodeChanged(): void {
    this.touch();
  }

  /**
   * A pod of this node has these addresses, and nothing runs in it yet. Resolves once its rules stand.
   * @throws Error in words if they cannot be written in time and a policy selects the pod
   */
  async podAddresses(pod: Pod, addresses: readonly string[], signal: AbortSignal): Promise<void> {
    if (this.writer === undefined || pod.spec.hostNetwork === true || addresses.length === 0) return;
    const { policies, clock } = this.options;
    this.local.claim(pod, addresses);
    const change = this.changes;
    const isSettled = (): boolean => this.writtenChanges >= change;
    // Nobody knows what policies say before the API server is reached; pods that it has no part in do not wait for that.
    const isHarmless = (): boolean => (policies.hasSynced() ? !this.state.isSelected(keyOf(pod)) : isStatic(pod));
    const untilMs = clock.monotonicMs() + POD_PATIENCE_MS;
    while (!isSettled()) {
      if ((this.failure !== undefined || !policies.hasSynced()) && isHarmless()) return;
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs <= 0) break;
      await this.nextWrite(leftMs, signal);
    }
    if (isSettled() || isHarmless()) return;
    const why = this.failure ?? (policies.hasSynced() ? 'the packet filter is slow' : 'the API server was not reached');
    throw new Error(`network policies of the pod are not in effect after ${POD_PATIENCE_MS / 1000} s: ${why}`);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { policies, namespaces, localPods, clock, log, ruleChanges } = this.options;
    const touch = (): void => this.wake?.();
    const removeHandlers = [
      policies.addHandler({
        onAdd: policy => this.putPolicy(policy),
        onUpdate: (_, policy) => this.putPolicy(policy),
        onDelete: policy => {
          this.state.removePolicy(keyOf(policy));
          this.touch();
        },
      }),
      namespaces.addHandler({
        onAdd: namespace => this.putNamespace(namespace, namespace.metadata.labels ?? {}),
        onUpdate: (_, namespace) => this.putNamespace(namespace, namespace.metadata.labels ?? {}),
        onDelete: namespace => this.putNamespace(namespace, undefined),
      }),
      localPods.addHandler(this.local),
      ruleChanges?.onChange(() => this.suspect()) ?? ((): void => {}),
    ];
    signal.addEventListener('abort', touch);
    let retryMs = 0;
    try {
      await untilAborted(Promise.all([policies.synced(), localPods.synced(), namespaces.synced()]), signal);
      this.touch();
      while (!signal.aborted) {
        try {
          await this.converge(signal);
          if (this.failure !== undefined) log.info({}, 'network policies are in effect again');
          this.failure = undefined;
          retryMs = 0;
        } catch (error) {
          retryMs = Math.min(Math.max(MIN_RETRY_MS, retryMs * 2), MAX_RETRY_MS);
          this.report(error, retryMs);
        }
        for (const settle of this.waiting) settle();
        if (retryMs > 0) await clock.sleep(retryMs, signal).catch(() => {});
        else await this.untilChanged(signal);
      }
    } finally {
      signal.removeEventListener('abort', touch);
      for (const remove of removeHandlers) remove();
      await this.peers.leave();
    }
  }

  private async converge(signal: AbortSignal): Promise<void> {
    const { answered, clock } = this.options;
    const { state, writer } = this;
    if (state.putAnswered(state.hasPolicies ? answered().flatMap(canonicalAddress) : [])) writer?.forget();
    await this.followPeers(signal);
    const change = this.changes;
    const nowMs = clock.monotonicMs();
    const isDue = nowMs >= this.dueMs;
    // Before the look, so that what happens meanwhile asks for another one.
    if (state.isIdle) this.dueMs = Infinity;
    else if (isDue || this.dueMs === Infinity) this.dueMs = nowMs + this.pollMs();
    await this.write(isDue);
    this.writtenChanges = change;
  }

  private async write(isDriftDue: boolean): Promise<void> {
    const { isOurNetwork, clock, log } = this.options;
    const { state, writer, metrics } = this;
    if (writer === undefined) {
      if (!state.isIdle) throw new Error('this node has no packet filter that works: install nftables or iptables');
      return;
    }
    if (!isOurNetwork()) return writer.hasRules ? writer.cleanup() : undefined;
    if (isDriftDue) {
      this.lookedAtMs = clock.monotonicMs();
      if (await writer.checkDrift()) log.warn({}, 'someone removed rules of network policies; writing them again');
    }
    if (!state.isIdle) await this.bridge();
    const startedMs = clock.monotonicMs();
    const kind = await writer.write();
    if (kind !== undefined) metrics?.written(kind, clock.monotonicMs() - startedMs);
    metrics?.holds(state.policyCount, state.isolatedPods());
    // Only now: until ours stand those of before hold.
    for (const other of this.leftovers.splice(0)) {
      await other
        .cleanup()
        .catch((error: unknown) => log.debug({ err: error, filter: other.name }, 'nothing to clean up, or no way to'));
    }
  }

  /** Pods of other nodes are known before a rule is written that asks for them: or what was allowed would be cut for a moment. */
  private async followPeers(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.options;
    if (!this.state.needsPeers) {
      if (!this.peers.isFollowing) return;
      await this.peers.leave();
      this.state.removePeers();
      return;
    }
    const listed = this.peers.follow();
    const stop = new AbortController();
    const isLate = clock
      .sleep(PEERS_PATIENCE_MS, AbortSignal.any([signal, stop.signal]))
      .then(() => log.warn({}, 'pods of other nodes cannot be listed; until then policies let none of them through'));
    await Promise.race([listed, isLate.catch(() => {})]);
    stop.abort();
  }

  private async bridge(): Promise<void> {
    if (this.bridged) return;
    this.bridged = true;
    for (const name of SYSCTLS) {
      if ((await this.options.sysctls.set(name, '1')) !== 'absent') continue;
      const message = `this kernel lacks ${name}: network policies do not hold between pods of this node`;
      this.options.log.warn({ sysctl: name }, message);
      this.tell(message);
    }
  }

  private putPolicy(policy: NetworkPolicy): void {
    const compiled = compilePolicy(policy);
    for (const problem of compiled.problems) {
      const subject = subjectOf(networkPolicies, policy);
      this.options.recorder.event(subject, 'Warning', REASON, `A rule lets nothing through: ${problem}`);
    }
    this.state.putPolicy(compiled);
    this.touch();
  }

  private putNamespace(namespace: Namespace, labels: Readonly<Record<string, string>> | undefined): void {
    this.state.putNamespace(namespace.metadata.name ?? '', labels);
    this.touch();
  }

  private report(error: unknown, retryMs: number): void {
    const text = errorText(error);
    const isNews = this.failure === undefined;
    this.failure = text;
    this.metrics?.failed();
    if (!isNews) return;
    this.options.log.error({ err: error, retryMs }, 'network policies could not be brought into effect');
    this.tell(`not in effect on node ${this.options.nodeName}: ${text}; it is tried again`);
  }

  /** Says it of every policy that has a pod here. */
  private tell(message: string): void {
    const { policies, recorder } = this.options;
    const keys = this.state.policiesInUse();
    for (const policy of policies.lister.list()) {
      if (keys.has(keyOf(policy))) recorder.event(subjectOf(networkPolicies, policy), 'Warning', REASON, message);
    }
  }

  private touch(): void {
    this.changes++;
    this.wake?.();
  }

  /** Rules changed, perhaps ours: looked at once it is quiet, and not all the time. */
  private suspect(): void {
    if (this.dueMs === Infinity) return;
    const nowMs = this.options.clock.monotonicMs();
    const dueMs = Math.max(nowMs + QUIET_MS, this.lookedAtMs + LOOK_PAUSE_MS);
    if (dueMs >= this.dueMs) return;
    this.dueMs = dueMs;
    this.wake?.();
  }

  private pollMs(): number {
    return this.options.ruleChanges?.watching === true ? WATCHED_POLL_MS : POLL_MS;
  }

  private nextWrite(patienceMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        cancel();
        signal.removeEventListener('abort', onAbort);
        this.waiting.delete(settle);
        resolve();
      };
      const onAbort = (): void => {
        settle();
        reject(signal.reason as Error);
      };
      const cancel = this.options.clock.after(patienceMs, settle);
      signal.addEventListener('abort', onAbort, { once: true });
      this.waiting.add(settle);
    });
  }

  private untilChanged(signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    if (this.writtenChanges < this.changes || signal.aborted) return Promise.resolve();
    return new Promise(resolve => {
      const done = (): void => {
        cancel();
        this.wake = undefined;
        resolve();
      };
      const cancel = clock.after(this.dueMs - clock.monotonicMs(), done);
      this.wake = done;
    });
  }
}

function untilAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
    promise.then(() => resolve(), reject);
  });
}
