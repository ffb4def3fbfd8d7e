/**
 * Which dead containers and sandboxes may go while their pod stays: people want to read the last attempt's log, not the tenth.
 * Source: kubernetes.io/docs, "Garbage Collection: container image and container".
 */
import type { ContainerView, PodView, SandboxView } from '../../plan/pod-view.ts';

export interface Garbage {
  readonly containers: readonly ContainerView[];
  readonly sandboxes: readonly SandboxView[];
}

/** Dead attempts that are kept for each container. */
const KEPT_DEAD = 1;
/** What was made a moment ago may be on its way to run. */
const MIN_AGE_MS = 60_000;

export function podGarbage(view: PodView, nowMs: number): Garbage {
  const dead = new Map<string, number>();
  const containers: ContainerView[] = [];
  view.containers.forEach((container, index) => {
    if (container.state === 'running') return;
    const newest = view.containers.findIndex(c => c.name === container.name) === index;
    const kept = dead.get(container.name) ?? 0;
    // The newest one tells the status; one before it tells the last state.
    if (newest) return;
    if (kept < KEPT_DEAD) {
      dead.set(container.name, kept + 1);
      return;
    }
    if (nowMs - container.createdAtMs >= MIN_AGE_MS) containers.push(container);
  });
  const going = new Set(containers.map(c => c.id));
  const used = new Set(view.containers.filter(c => !going.has(c.id)).map(c => c.sandboxId));
  const sandboxes = view.sandboxes.filter(
    (sandbox, index) =>
      index > 0 && !sandbox.ready && !used.has(sandbox.id) && nowMs - sandbox.createdAtMs >= MIN_AGE_MS,
  );
  return { containers, sandboxes };
}
