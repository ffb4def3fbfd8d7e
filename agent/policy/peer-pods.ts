/**
 * The pods of other nodes, followed only while policies ask for them. Of each a few hundred bytes are kept, and lists come page by page, so
 * that ten thousand of them cost megabytes.
 */
import type { Client } from '../../machinery/client/client.ts';
import { Reflector } from '../../machinery/client/reflector.ts';
import type { ReflectorTarget } from '../../machinery/client/reflector.ts';
import { pods } from '../../machinery/client/resource.ts';
import { keyOf } from '../../machinery/meta/object.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { Container, Pod } from '../../proto/api/core-v1.ts';
import { podFacts } from './plan/pod-facts.ts';
import type { PolicyPod } from './plan/pod-facts.ts';

export interface PeerPodsOptions {
  readonly client: Client;
  /** Its own pods are left out: they are known sooner. */
  readonly nodeName: string;
  readonly onPod: (pod: PolicyPod) => void;
  readonly onGone: (key: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export class PeerPods implements ReflectorTarget<Pod> {
  private readonly options: PeerPodsOptions;
  private readonly known = new Set<string>();
  private following:
    { stop: AbortController; run: Promise<void>; listed: Promise<void>; onListed: () => void } | undefined;

  constructor(options: PeerPodsOptions) {
    this.options = options;
  }

  /** Follows them from now on, if it did not. @returns resolves once all are told */
  follow(): Promise<void> {
    if (this.following !== undefined) return this.following.listed;
    const { client, clock, log } = this.options;
    const stop = new AbortController();
    let onListed: () => void = () => {};
    const listed = new Promise<void>(resolve => (onListed = resolve));
    const reflector = new Reflector<Pod>({
      name: 'pods of other nodes',
      client: client.of(pods),
      scope: {},
      keep: sliverOf,
      target: this,
      clock,
      logger: log,
    });
    this.following = { stop, run: reflector.run(stop.signal), listed, onListed };
    return listed;
  }

  /** Follows them no more; nothing is told of them any more. */
  async leave(): Promise<void> {
    const { following } = this;
    this.following = undefined;
    this.known.clear();
    following?.stop.abort();
    await following?.run;
  }

  get isFollowing(): boolean {
    return this.following !== undefined;
  }

  replace(items: readonly Pod[]): void {
    const gone = new Set(this.known);
    // Of two that name one address, the younger has it.
    for (const pod of [...items].sort((a, b) => startOf(a).localeCompare(startOf(b)))) {
      this.put(pod);
      gone.delete(peerKeyOf(pod));
    }
    for (const key of gone) this.forget(key);
    this.following?.onListed();
  }

  put(pod: Pod): void {
    const key = peerKeyOf(pod);
    if (pod.spec.nodeName === this.options.nodeName) return this.forget(key);
    const facts = podFacts(pod);
    // Nothing is said of a pod without addresses.
    if (facts.addresses.length === 0) return this.forget(key);
    this.known.add(key);
    this.options.onPod({ ...facts, key });
  }

  remove(pod: Pod): void {
    this.forget(peerKeyOf(pod));
  }

  private forget(key: string): void {
    if (this.known.delete(key)) this.options.onGone(key);
  }
}

/** Not a pod's own key: one of the same name may be on this node already, or still. */
function peerKeyOf(pod: Pod): string {
  return `elsewhere ${keyOf(pod)}`;
}

/** What of a pod is read here. */
function sliverOf({ metadata, spec, status }: Pod): Pod {
  const { namespace, name, uid, labels, resourceVersion } = metadata;
  const { nodeName, hostNetwork, containers, initContainers } = spec;
  const { phase, podIP, podIPs, startTime } = status ?? {};
  return {
    metadata: { namespace, name, uid, labels, resourceVersion },
    spec: {
      nodeName,
      hostNetwork,
      containers: containers.map(portsOf),
      initContainers: initContainers?.map(portsOf),
    },
    status: { phase, podIP, podIPs, startTime },
  };
}

function portsOf({ name, ports, restartPolicy }: Container): Container {
  return { name, ports, restartPolicy };
}

function startOf(pod: Pod): string {
  return pod.status?.startTime ?? '';
}
