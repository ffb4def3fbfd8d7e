/** Taints and tolerations. Source: kubernetes.io/docs, "Taints and Tolerations". Pure. */
import type { Taint, Toleration } from '../../proto/api/core-v1.ts';

/** A taint's parts that matter here. */
export type TaintLike = Pick<Taint, 'key' | 'effect'> & { value?: string | undefined };

export function toleratesTaint(toleration: Toleration, taint: TaintLike): boolean {
  if ((toleration.effect ?? '') !== '' && toleration.effect !== taint.effect) return false;
  const key = toleration.key ?? '';
  if (key !== '' && key !== taint.key) return false;
  switch (toleration.operator ?? '') {
    case 'Exists':
      return true;
    case '':
    case 'Equal':
      return key !== '' && (toleration.value ?? '') === (taint.value ?? '');
    case 'Gt':
    case 'Lt': {
      const [limit, actual] = [Number(toleration.value), Number(taint.value)];
      if (!Number.isInteger(limit) || !Number.isInteger(actual)) return false;
      return toleration.operator === 'Gt' ? actual > limit : actual < limit;
    }
    default:
      return false;
  }
}

/** The first taint with one of `effects` that no toleration covers. */
export function untoleratedTaint(
  taints: readonly Taint[],
  tolerations: readonly Toleration[],
  effects: readonly string[],
): Taint | undefined {
  return taints.find(taint => effects.includes(taint.effect) && !tolerations.some(t => toleratesTaint(t, taint)));
}
