/** Names of `node.status.volumesInUse`: volumes that pods of this node want attached, and those that lie on its disk still. */

export class VolumesInUse {
  private readonly onChange: () => void;
  private readonly wanted = new Map<string, Set<string>>();
  private readonly onDisk = new Set<string>();

  /** @param onChange must not throw, must not block */
  constructor(onChange: () => void) {
    this.onChange = onChange;
  }

  /** What a process before this one has left. */
  restore(names: Iterable<string>): void {
    for (const name of names) this.onDisk.add(name);
  }

  names(): string[] {
    return [...new Set([...this.wanted.keys(), ...this.onDisk])].sort();
  }

  /** @param user wants it until `ended` aborts */
  want(name: string, user: string, ended: AbortSignal): void {
    const users = this.wanted.get(name) ?? new Set();
    this.wanted.set(name, users);
    if (users.has(user)) return;
    users.add(user);
    const forget = (): void => {
      users.delete(user);
      if (users.size > 0 || this.wanted.get(name) !== users) return;
      this.wanted.delete(name);
      this.onChange();
    };
    if (ended.aborted) forget();
    else ended.addEventListener('abort', forget, { once: true });
    this.onChange();
  }

  /** The driver is about to be asked for it. */
  placed(name: string): void {
    this.onDisk.add(name);
  }

  /** Nothing of it is left on this node. */
  released(name: string): void {
    if (this.onDisk.delete(name)) this.onChange();
  }
}
