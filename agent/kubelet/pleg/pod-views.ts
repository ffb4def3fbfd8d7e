/**
 * The newest view of every pod that the runtime holds. Memory only: PodCache and Relister put into it what the runtime answered.
 *
 * An answer that is older than what is known (a list that began before a container was made) removes nothing: `since` of each id tells.
 */
import type { ContainerView, PodView, SandboxView } from '../plan/pod-view.ts';

/** Names a pod. */
export interface PodIdentity {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

interface Entry {
  readonly identity: PodIdentity;
  readonly sandboxes: Map<string, SandboxView>;
  readonly containers: Map<string, ContainerView>;
  view: PodView | undefined;
}

export class PodViews {
  private readonly entries = new Map<string, Entry>();
  /** Container or sandbox id -> pod UID, and when (in `sequence`) it came. */
  private readonly owners = new Map<string, { uid: string; since: number }>();
  private readonly listeners = new Set<(uid: string) => void>();
  private sequence = 0;

  /** Called with a pod's UID after each change of its view. Must not throw. */
  onChange(listener: (uid: string) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  view(uid: string): PodView | undefined {
    const entry = this.entries.get(uid);
    if (entry === undefined) return undefined;
    return (entry.view ??= viewOf(entry));
  }

  /** Of everything that the runtime holds. */
  views(): PodView[] {
    return [...this.entries.keys()].flatMap(uid => this.view(uid) ?? []);
  }

  container(id: string): ContainerView | undefined {
    return this.entryOf(id)?.containers.get(id);
  }

  sandbox(id: string): SandboxView | undefined {
    return this.entryOf(id)?.sandboxes.get(id);
  }

  /** Whether the id is a container's or sandbox's of a pod here. */
  knows(id: string): boolean {
    return this.entryOf(id) !== undefined;
  }

  /** Says whose the id is, before its view is known. */
  own(identity: PodIdentity, id: string): void {
    const { uid } = identity;
    if (!this.owners.has(id)) this.owners.set(id, { uid, since: ++this.sequence });
    if (!this.entries.has(uid))
      this.entries.set(uid, { identity, sandboxes: new Map(), containers: new Map(), view: undefined });
  }

  /** Passes over what nobody owns, and over answers that are older than a known exit: an exited container never runs again. */
  putContainer(view: ContainerView): void {
    const entry = this.entryOf(view.id);
    if (entry === undefined) return;
    if (entry.containers.get(view.id)?.state === 'exited' && view.state !== 'exited') return;
    entry.containers.set(view.id, view);
    this.changed(entry);
  }

  /** Passes over what nobody owns. */
  putSandbox(view: SandboxView): void {
    const entry = this.entryOf(view.id);
    if (entry === undefined) return;
    entry.sandboxes.set(view.id, view);
    this.changed(entry);
  }

  /** A container or sandbox was removed; a pod goes with the last of its own. */
  drop(id: string): void {
    const entry = this.entryOf(id);
    this.owners.delete(id);
    if (entry === undefined) return;
    entry.containers.delete(id);
    entry.sandboxes.delete(id);
    if (entry.containers.size === 0 && entry.sandboxes.size === 0) this.entries.delete(entry.identity.uid);
    this.changed(entry);
  }

  /** A point in time to compare with: ids that came later are not in `idsBefore`. */
  mark(): number {
    return ++this.sequence;
  }

  /** Ids known before `mark`, of one pod or of all. */
  idsBefore(mark: number, uid?: string): string[] {
    return [...this.owners].flatMap(([id, owner]) =>
      owner.since < mark && (uid === undefined || owner.uid === uid) ? [id] : [],
    );
  }

  private entryOf(id: string): Entry | undefined {
    const owner = this.owners.get(id);
    return owner === undefined ? undefined : this.entries.get(owner.uid);
  }

  private changed(entry: Entry): void {
    entry.view = undefined;
    for (const listener of this.listeners) listener(entry.identity.uid);
  }
}

function viewOf(entry: Entry): PodView {
  const newestFirst = (a: { createdAtMs: number; attempt: number }, b: { createdAtMs: number; attempt: number }) =>
    b.createdAtMs - a.createdAtMs || b.attempt - a.attempt;
  return {
    ...entry.identity,
    sandboxes: [...entry.sandboxes.values()].sort(newestFirst),
    containers: [...entry.containers.values()].sort(newestFirst),
  };
}
