/**
 * Answers "how many pods match, by topology value" for the questions that pods ask again and again: pods of one workload all ask the same.
 *
 * - A question is answered once by looking at every pod with its label; then the answer follows the cluster's changes, each looked at once.
 * - The index holds what it saw of each node, so that it finds what changed by itself; nothing is held before the first question.
 * - The questions asked last are kept (`MAX_QUESTIONS`).
 */
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import type { ClusterView, NodeView } from './cluster-view.ts';
import { TopologyCounts } from './topology-counts.ts';
import { topologyValue, type LabelPair } from './topology.ts';

/** What is counted; the answers must depend on the arguments alone, of a node on its labels and taints, of a pod on its metadata. */
export interface Question {
  readonly topologyKey: string;
  /** A label that every pod has which counts; undefined when there is none. */
  readonly label: LabelPair | undefined;
  /** Topology values without pods are of interest too. */
  readonly wantsEmpty: boolean;
  countsPod(pod: Pod): boolean;
  /** Whether a node that has the topology's label is in it; left out: it is. */
  countsNode?(node: Node): boolean;
}

interface SeenNode {
  node: Node;
  generation: number;
  readonly pods: Map<string, Pod>;
}

interface PlacedPod {
  readonly pod: Pod;
  readonly on: SeenNode;
}

interface Answer {
  readonly question: Question;
  readonly counts: TopologyCounts;
}

const MAX_QUESTIONS = 64;
const MAX_KEYS = 16;

/** Pods by a label's value, then by UID. */
type ByValue = Map<string, Map<string, PlacedPod>>;

export class PodIndex {
  private readonly nodes = new Map<string, SeenNode>();
  /** For the labels that questions asked for. */
  private readonly byLabel = new Map<string, ByValue>();
  /** By key; the one asked last stands last. */
  private readonly answers = new Map<string, Answer>();
  private generation = 0;
  private topologyGeneration = 0;

  /**
   * @param key names the question: equal keys must mean equal questions
   * @param ask makes the question, if it was not asked before
   * @returns counts that change with the next call: good for this scheduling cycle
   */
  count(snapshot: ClusterView, key: string, ask: () => Question): TopologyCounts {
    this.follow(snapshot);
    const answer = this.answers.get(key) ?? this.answer(ask());
    this.answers.delete(key);
    this.answers.set(key, answer);
    for (const oldest of this.answers.keys()) {
      if (this.answers.size <= MAX_QUESTIONS) break;
      this.answers.delete(oldest);
    }
    return answer.counts;
  }

  private answer(question: Question): Answer {
    const answer = { question, counts: new TopologyCounts() };
    if (question.wantsEmpty) for (const { node } of this.nodes.values()) addNode(answer, node);
    if (question.label !== undefined) {
      const { key, value } = question.label;
      for (const { pod, on } of this.podsBy(key).get(value)?.values() ?? []) changePod(answer, on.node, pod, 1);
    } else {
      for (const { node, pods } of this.nodes.values())
        for (const pod of pods.values()) changePod(answer, node, pod, 1);
    }
    return answer;
  }

  private podsBy(key: string): ByValue {
    const known = this.byLabel.get(key);
    if (known !== undefined) return known;
    const byValue: ByValue = new Map();
    for (const seen of this.nodes.values())
      for (const [uid, pod] of seen.pods) file(byValue, key, uid, { pod, on: seen });
    for (const oldest of this.byLabel.keys()) {
      if (this.byLabel.size < MAX_KEYS) break;
      this.byLabel.delete(oldest);
    }
    this.byLabel.set(key, byValue);
    return byValue;
  }

  private follow(snapshot: ClusterView): void {
    if (snapshot.topologyGeneration !== this.topologyGeneration) {
      for (const [name, seen] of this.nodes) if (snapshot.node(name) === undefined) this.forget(name, seen);
      for (const info of snapshot.nodes) this.look(info);
    } else {
      for (const info of snapshot.changedSince(this.generation)) this.look(info);
    }
    this.generation = snapshot.generation;
    this.topologyGeneration = snapshot.topologyGeneration;
  }

  private look(info: NodeView): void {
    const seen = this.nodes.get(info.name);
    if (seen?.generation === info.generation) return;
    if (seen !== undefined && standsTheSame(seen.node, info.node)) {
      seen.generation = info.generation;
      seen.node = info.node;
      this.compare(seen, info.pods);
      return;
    }
    if (seen !== undefined) this.forget(info.name, seen);
    const fresh: SeenNode = { node: info.node, generation: info.generation, pods: new Map() };
    this.nodes.set(info.name, fresh);
    for (const answer of this.answers.values()) if (answer.question.wantsEmpty) addNode(answer, fresh.node);
    for (const [uid, pod] of info.pods) this.arrive(fresh, uid, pod);
  }

  private forget(name: string, seen: SeenNode): void {
    for (const [uid, pod] of seen.pods) this.leave(seen, uid, pod);
    this.nodes.delete(name);
    for (const { question, counts } of this.answers.values()) {
      const value = question.wantsEmpty ? valueFor(question, seen.node) : undefined;
      if (value !== undefined) counts.removeNode(value);
    }
  }

  private compare(seen: SeenNode, now: ReadonlyMap<string, Pod>): void {
    for (const [uid, pod] of seen.pods) {
      const current = now.get(uid);
      if (current === pod) continue;
      // Statuses change all the time, and nobody asks for them.
      if (current !== undefined && countsAlike(current, pod)) seen.pods.set(uid, current);
      else this.leave(seen, uid, pod);
    }
    for (const [uid, pod] of now) if (!seen.pods.has(uid)) this.arrive(seen, uid, pod);
  }

  private arrive(seen: SeenNode, uid: string, pod: Pod): void {
    seen.pods.set(uid, pod);
    for (const [key, byValue] of this.byLabel) file(byValue, key, uid, { pod, on: seen });
    for (const answer of this.answers.values()) changePod(answer, seen.node, pod, 1);
  }

  private leave(seen: SeenNode, uid: string, pod: Pod): void {
    seen.pods.delete(uid);
    for (const [key, byValue] of this.byLabel) {
      const value = pod.metadata.labels?.[key] ?? '';
      const same = byValue.get(value);
      // It may stand on another node by now.
      if (same?.get(uid)?.on === seen) same.delete(uid);
      if (same?.size === 0) byValue.delete(value);
    }
    for (const answer of this.answers.values()) changePod(answer, seen.node, pod, -1);
  }
}

function addNode({ question, counts }: Answer, node: Node): void {
  const value = valueFor(question, node);
  if (value !== undefined) counts.addNode(value);
}

function changePod({ question, counts }: Answer, node: Node, pod: Pod, by: 1 | -1): void {
  if (!question.countsPod(pod)) return;
  const value = valueFor(question, node);
  if (value !== undefined) counts.change(value, by);
}

function valueFor(question: Question, node: Node): string | undefined {
  const value = topologyValue(node, question.topologyKey);
  return value === undefined || question.countsNode?.(node) === false ? undefined : value;
}

function file(byValue: ByValue, key: string, uid: string, placed: PlacedPod): void {
  const value = placed.pod.metadata.labels?.[key];
  if (typeof value !== 'string') return;
  const same = byValue.get(value) ?? new Map<string, PlacedPod>();
  byValue.set(value, same.set(uid, placed));
}

function standsTheSame(before: Node, now: Node): boolean {
  if (before === now) return true;
  return jsonEquals(before.metadata.labels, now.metadata.labels) && jsonEquals(before.spec.taints, now.spec.taints);
}

function countsAlike({ metadata: a }: Pod, { metadata: b }: Pod): boolean {
  return (
    a.namespace === b.namespace &&
    (a.deletionTimestamp === undefined) === (b.deletionTimestamp === undefined) &&
    jsonEquals(a.labels, b.labels)
  );
}
