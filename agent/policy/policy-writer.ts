/**
 * Brings what PolicyState says into the kernel: everything at first and after a failure, differences else; nothing stands while no pod of
 * this node is isolated.
 *
 * - One call at a time (the owner sees to it).
 * - What is taken from the state counts as written; a failure makes the next write a full one.
 */
import type { PolicyBackend } from './policy-backend.ts';
import { isEmptyChange, isEmptyModel } from './plan/model.ts';
import type { PolicyState } from './policy-state.ts';

export type WriteKind = 'full' | 'delta' | 'cleanup';

export class PolicyWriter {
  private readonly state: PolicyState;
  private readonly backend: PolicyBackend;
  /** What an earlier process left is unknown. */
  private standing: 'unknown' | 'nothing' | 'rules' = 'unknown';

  constructor(state: PolicyState, backend: PolicyBackend) {
    this.state = state;
    this.backend = backend;
  }

  /** Whether rules of ours stand, as far as is known. */
  get hasRules(): boolean {
    return this.standing !== 'nothing';
  }

  /** @returns what was done; undefined if there was nothing to do. @throws CommandError */
  async write(): Promise<WriteKind | undefined> {
    const { state, backend, standing } = this;
    if (standing === 'rules' && !state.isIdle) {
      const change = state.takeChange();
      if (isEmptyChange(change)) return undefined;
      this.standing = 'unknown';
      await backend.update(change);
      this.standing = 'rules';
      return 'delta';
    }
    const model = state.takeAll();
    if (isEmptyModel(model)) {
      if (standing === 'nothing') return undefined;
      this.standing = 'unknown';
      await backend.cleanup();
      this.standing = 'nothing';
      return 'cleanup';
    }
    this.standing = 'unknown';
    await backend.replaceAll(model);
    this.standing = 'rules';
    return 'full';
  }

  /** Asks the kernel whether somebody took rules away; the next write is then a full one. */
  async checkDrift(): Promise<boolean> {
    if (this.standing !== 'rules' || !(await this.backend.hasDrifted())) return false;
    this.standing = 'unknown';
    return true;
  }

  /** The next write is a full one. */
  forget(): void {
    if (this.standing === 'rules') this.standing = 'unknown';
  }

  /** Removes everything. */
  async cleanup(): Promise<void> {
    this.standing = 'unknown';
    await this.backend.cleanup();
    this.standing = 'nothing';
  }
}
