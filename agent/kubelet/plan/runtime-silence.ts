/** Whether the runtime has not said for too long what it holds. Source: upstream's GenericPLEG: threshold and text. Pure. */

const THRESHOLD_MS = 180_000;

/** @param silentMs since it last did @returns why the node is not ready, in upstream's words; nothing: it is */
export function runtimeSilence(silentMs: number): string[] {
  if (silentMs <= THRESHOLD_MS) return [];
  return [
    `PLEG is not healthy: pleg was last seen active ${inMinutes(silentMs)} ago; threshold is ${inMinutes(THRESHOLD_MS)}`,
  ];
}

function inMinutes(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
