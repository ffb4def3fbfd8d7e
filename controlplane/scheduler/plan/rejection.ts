/** Why a node was turned down. `reason` is counted in the message that kubectl users know: `2 Insufficient cpu`. */
export interface Rejection {
  reason: string;
  /** True: deleting other pods could not help (a taint, a selector), so preemption need not look. */
  unresolvable: boolean;
}
