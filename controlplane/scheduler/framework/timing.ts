/** Who wants to know how long plugins take. */

/** An extension point's plugins ran for one pod; `status` in upstream's words: `Success`, `Unschedulable`, `Error`, `Wait`, `Skip`. */
export interface Timing {
  point(extensionPoint: string, status: string, seconds: number): void;
  /** One plugin ran; undefined for most pods, since looking at the clock for each plugin and node costs as much as many plugins do. */
  readonly plugin?: ((plugin: string, extensionPoint: string, status: string, seconds: number) => void) | undefined;
}

/** Runs and times it. @param statusOf what came out, in upstream's words */
export function timed<R>(timing: Timing | undefined, point: string, run: () => R, statusOf: (result: R) => string): R {
  if (timing === undefined) return run();
  const beganMs = performance.now();
  let status = 'Error';
  try {
    const result = run();
    status = statusOf(result);
    return result;
  } finally {
    timing.point(point, status, (performance.now() - beganMs) / 1000);
  }
}
