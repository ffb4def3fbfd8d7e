/**
 * What brings policies into effect on this node. A back end remembers what it wrote, and knows nothing of policies, labels or namespaces.
 *
 * - One call at a time; `replaceAll` comes before the first `update`, and after every failure.
 * - Whatever a call does, no packet passes on the way that is forbidden before and after.
 */
import type { PolicyChange, PolicyModel } from './plan/model.ts';

export interface PolicyBackend {
  readonly name: 'iptables' | 'nftables';
  /** Makes the kernel have exactly this, whatever it has from an earlier process. @throws CommandError; what stands then is unknown */
  replaceAll(model: PolicyModel): Promise<void>;
  /** Writes a difference. @throws CommandError likewise */
  update(change: PolicyChange): Promise<void>;
  /** Whether someone took our rules away since; a look at a few of them, not at all. */
  hasDrifted(): Promise<boolean>;
  /** Removes everything, also what an earlier process made. @returns whether there was anything */
  cleanup(): Promise<boolean>;
}
