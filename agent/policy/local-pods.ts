/**
 * The pods of this node: as the API server tells of them, and with the addresses that the kubelet knows before. What the kubelet said of a pod
 * stays true until the pod ends or it says otherwise; a status may be older.
 */
import type { InformerHandler } from '../../machinery/client/informer.ts';
import { keyOf } from '../../machinery/meta/object.ts';
import type { Pod } from '../../proto/api/core-v1.ts';
import { hasNoRights, identityOf, isStatic, podFacts } from './plan/pod-facts.ts';
import type { PolicyState } from './policy-state.ts';

export class LocalPods implements InformerHandler<Pod> {
  private readonly state: PolicyState;
  private readonly onChange: () => void;
  private readonly claims = new Map<string, { readonly uid: string; readonly addresses: readonly string[] }>();

  constructor(state: PolicyState, onChange: () => void) {
    this.state = state;
    this.onChange = onChange;
  }

  /** The pod has these addresses, whatever its status says. */
  claim(pod: Pod, addresses: readonly string[]): void {
    this.claims.set(keyOf(pod), { uid: identityOf(pod), addresses });
    this.put(pod);
  }

  onAdd(pod: Pod): void {
    this.put(pod);
  }

  onUpdate(_before: Pod, pod: Pod): void {
    this.put(pod);
  }

  onDelete(pod: Pod): void {
    const key = keyOf(pod);
    // One of the same name may be here already.
    const claim = this.claims.get(key);
    if (claim !== undefined && claim.uid !== identityOf(pod)) return;
    this.claims.delete(key);
    this.state.removePod(key);
    this.onChange();
  }

  private put(pod: Pod): void {
    const key = keyOf(pod);
    const claim = this.claims.get(key);
    const isOwn = claim?.uid === identityOf(pod);
    // The mirror of a static pod's earlier version may outlive it by a moment.
    if (claim !== undefined && !isOwn && isStatic(pod)) return;
    if (claim !== undefined && (!isOwn || hasNoRights(pod))) this.claims.delete(key);
    this.state.putPod(podFacts(pod, isOwn ? claim?.addresses : undefined), true);
    this.onChange();
  }
}
