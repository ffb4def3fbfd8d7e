/**
 * Answers "how many pods match, by topology value" for the questions that pods ask again and again: pods of one workload all ask the same.
 *
 * - A question is answered once by looking at every pod; then the answer follows the cluster's changes, each looked at once.
 * - The index holds what it saw of each node, so that it finds what changed by itself; nothing is held before the first question.
 * - The questions asked last are kept (`MAX_QUESTIONS`).
 */
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import type { Snapshot } from '../framework/snapshot.ts';
import { TopologyCounts } from './topology-counts.ts';
import { topologyValue } from './topology.ts';

/** What is counted; the answers must depend on the arguments alone, of a node on its labels and taints, of a pod on its metadata. */
export interface Question {
  readonly topologyKey: string;
  countsPod(pod: Pod): boolean;
  /** Whether a node that has the topology's label is in it; left out: it is. */
  countsNode?(node: Node): boolean;
}

interface SeenNode {
  node: Node;
  generation: number;
  readonly pods: Map<string, Pod>;
}

interface Answer {
  readonly question: Question;
  readonly counts: TopologyCounts;
}

const MAX_QUESTIONS = 64;

export class PodIndex {
  private readonly nodes = new Map<string, SeenNode>();
  /** By key; the one asked last stands last. */
  private readonly answers = new Map<string, Answer>();
  private generation = 0;
  private topologyGeneration = 0;

  /**
   * @param key names the question: equal keys must mean equal questions
   * @param ask makes the question, if it was not asked before
   * @returns counts that change with the next call: good for this scheduling cycle
   */
  count(snapshot: Snapshot, key: string, ask: () => Question): TopologyCounts {
    this.follow(snapshot);
    const known = this.answers.get(key);
    if (known !== undefined) {
      this.answers.delete(key);
      this.answers.set(key, known);
      return known.counts;
    }
    const answer = { question: ask(), counts: new TopologyCounts() };
    for (const seen of this.nodes.values()) include(answer, seen.node, seen.pods.values());
    this.answers.set(key, answer);
    for (const oldest of this.answers.keys()) {
      if (this.answers.size <= MAX_QUESTIONS) break;
      this.answers.delete(oldest);
    }
    return answer.counts;
  }

  private follow(snapshot: Snapshot): void {
    if (snapshot.topologyGeneration !== this.topologyGeneration) {
      for (const name of this.nodes.keys()) if (snapshot.node(name) === undefined) this.forget(name);
      for (const info of snapshot.nodes) this.look(info);
    } else {
      for (const info of snapshot.changedSince(this.generation)) this.look(info);
    }
    this.generation = snapshot.generation;
    this.topologyGeneration = snapshot.topologyGeneration;
  }

  private look(info: NodeInfo): void {
    const seen = this.nodes.get(info.name);
    if (seen?.generation === info.generation) return;
    if (seen !== undefined && standsTheSame(seen.node, info.node)) {
      seen.generation = info.generation;
      seen.node = info.node;
      this.compare(seen, info.pods);
      return;
    }
    this.forget(info.name);
    const fresh = { node: info.node, generation: info.generation, pods: new Map(info.pods) };
    this.nodes.set(info.name, fresh);
    for (const answer of this.answers.values()) include(answer, fresh.node, fresh.pods.values());
  }

  private forget(name: string): void {
    const seen = this.nodes.get(name);
    if (seen === undefined) return;
    this.nodes.delete(name);
    for (const { question, counts } of this.answers.values()) {
      const value = valueFor(question, seen.node);
      if (value === undefined) continue;
      counts.change(value, -countPods(question, seen.pods.values()));
      counts.removeNode(value);
    }
  }

  private compare({ node, pods }: SeenNode, now: ReadonlyMap<string, Pod>): void {
    for (const [uid, pod] of pods) {
      const current = now.get(uid);
      if (current === pod) continue;
      if (current === undefined || !countsAlike(current, pod)) {
        this.change(node, pod, -1);
        pods.delete(uid);
      } else pods.set(uid, current);
    }
    for (const [uid, pod] of now) {
      if (pods.has(uid)) continue;
      this.change(node, pod, 1);
      pods.set(uid, pod);
    }
  }

  private change(node: Node, pod: Pod, by: 1 | -1): void {
    for (const { question, counts } of this.answers.values()) {
      if (!question.countsPod(pod)) continue;
      const value = valueFor(question, node);
      if (value !== undefined) counts.change(value, by);
    }
  }
}

function include({ question, counts }: Answer, node: Node, pods: Iterable<Pod>): void {
  const value = valueFor(question, node);
  if (value === undefined) return;
  counts.addNode(value);
  counts.change(value, countPods(question, pods));
}

function valueFor(question: Question, node: Node): string | undefined {
  const value = topologyValue(node, question.topologyKey);
  return value === undefined || question.countsNode?.(node) === false ? undefined : value;
}

function countPods(question: Question, pods: Iterable<Pod>): number {
  let count = 0;
  for (const pod of pods) if (question.countsPod(pod)) count++;
  return count;
}

function standsTheSame(before: Node, now: Node): boolean {
  if (before === now) return true;
  return jsonEquals(before.metadata.labels, now.metadata.labels) && jsonEquals(before.spec.taints, now.spec.taints);
}

/** Statuses change all the time, and nobody asks for them. */
function countsAlike({ metadata: a }: Pod, { metadata: b }: Pod): boolean {
  return (
    a.namespace === b.namespace &&
    (a.deletionTimestamp === undefined) === (b.deletionTimestamp === undefined) &&
    jsonEquals(a.labels, b.labels)
  );
}
