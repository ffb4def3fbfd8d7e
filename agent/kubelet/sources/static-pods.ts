/**
 * Gives static pods to the workers as files and URLs say.
 *
 * - One name is run once at a time: a pod that takes the place of another waits until nothing is left of that one.
 * - What a former process of ours started from the same text is adopted, since its UID is the same; what it started from another
 *   text under the same name is ended first.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { uidOf } from '../plan/pod-spec.ts';
import type { PodView } from '../plan/pod-view.ts';
import { mergeManifests, type StaticPodSet } from './plan/merge-manifests.ts';
import type { Manifest } from './manifests.ts';
import { keyOf } from '../../../machinery/meta/object.ts';

/** What static pods need of the pod workers. */
export interface StaticPodWorkers {
  updatePod(pod: Pod): void;
  removePod(pod: Pod): void;
  /** Whether another pod of the same name is being ended here. */
  isNameTaken(pod: Pod): boolean;
  /** Ends what the runtime holds of pods that no worker knows. */
  endOrphans(isOrphan: (view: PodView) => boolean): void;
}

export interface StaticPodsOptions {
  readonly workers: StaticPodWorkers;
  /** Told of a file or URL that cannot be used, once a text. */
  readonly onProblem: (location: string, problem: string) => void;
  /** Told of what was passed over in a file or URL, once a text. */
  readonly onWarning: (location: string, warning: string) => void;
  /** Told of a name whose static pod came, went, or changed. */
  readonly onChange: (key: string) => void;
}

export class StaticPods {
  private readonly options: StaticPodsOptions;
  /** The newest of each source. */
  private readonly read = new Map<string, readonly Manifest[]>();
  private wanted: StaticPodSet = new Map();
  /** What the workers were given, by name. */
  private readonly given = new Map<string, Pod>();
  private problems: ReadonlyMap<string, string> = new Map();

  constructor(options: StaticPodsOptions) {
    this.options = options;
  }

  /** The static pod of a name, whether it runs yet or not. */
  get(key: string): Pod | undefined {
    return this.wanted.get(key)?.pod;
  }

  /** A source was read. @param source its name; sources count in the order in which they were first read */
  update(source: string, manifests: readonly Manifest[]): void {
    const { onProblem, onWarning, onChange } = this.options;
    const known = new Set(this.read.get(source)?.flatMap(warningsOf));
    this.read.set(source, manifests);
    const before = this.wanted;
    const { pods, problems } = mergeManifests([...this.read.values()].flat(), before);
    for (const manifest of manifests)
      for (const warning of manifest.warnings)
        if (!known.has(warningOf(manifest, warning))) onWarning(manifest.location, warning);
    for (const [location, problem] of problems)
      if (this.problems.get(location) !== problem) onProblem(location, problem);
    this.wanted = pods;
    this.problems = problems;
    for (const key of new Set([...before.keys(), ...pods.keys()])) {
      if (before.get(key)?.pod === pods.get(key)?.pod) continue;
      this.settle(key);
      onChange(key);
    }
  }

  /** Nothing is left of a pod: its name is free. */
  podRemoved(pod: Pod): void {
    const key = keyOf(pod);
    if (this.wanted.has(key) && !this.given.has(key)) this.settle(key);
  }

  private settle(key: string): void {
    const { workers } = this.options;
    const pod = this.wanted.get(key)?.pod;
    const older = this.given.get(key);
    if (older !== undefined && (pod === undefined || uidOf(pod) !== uidOf(older))) {
      this.given.delete(key);
      workers.removePod(older);
    }
    if (pod === undefined) return;
    workers.endOrphans(view => `${view.namespace}/${view.name}` === key && view.uid !== uidOf(pod) && isHash(view.uid));
    if (workers.isNameTaken(pod)) return;
    this.given.set(key, pod);
    workers.updatePod(pod);
  }
}

function warningOf({ location }: Manifest, warning: string): string {
  return `${location}: ${warning}`;
}

function warningsOf(manifest: Manifest): string[] {
  return manifest.warnings.map(warning => warningOf(manifest, warning));
}

/** UIDs that the API gives have dashes; those of static pods are hashes. */
function isHash(uid: string): boolean {
  return /^[0-9a-f]{32}$/.test(uid);
}
