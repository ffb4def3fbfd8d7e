/**
 * Signals by the names that the API gives them (`lifecycle.stopSignal`), as CRI and as the kernel take them.
 * Source: KEP-4960; signal(7): real-time signals are 34 to 64 for programs.
 */
import { Signal } from '../../../proto/cri/runtime.gen.ts';

const REAL_TIME = /^SIGRT(MIN|MAX)(?:([+-])(\d+))?$/;
const RT_MIN = 34;
const RT_MAX = 64;
/** Other names of the same numbers. */
const ALIASES: Readonly<Record<string, string>> = { SIGCLD: 'SIGCHLD' };

/** RUNTIME_DEFAULT for none and for names that CRI does not know. */
export function criSignal(name: string | undefined): Signal {
  if (name === undefined) return Signal.RUNTIME_DEFAULT;
  const key = name.replace('+', 'PLUS').replace('-', 'MINUS');
  return (Signal as Record<string, Signal>)[key] ?? Signal.RUNTIME_DEFAULT;
}

/** Undefined for the runtime's own choice. */
export function signalName(signal: Signal): string | undefined {
  if (signal === Signal.RUNTIME_DEFAULT) return undefined;
  const key = Object.entries(Signal).find(([, value]) => value === signal)?.[0];
  return key?.replace('PLUS', '+').replace('MINUS', '-');
}

/** What kill(2) is told: a number for real-time signals, else the name. */
export function signalToSend(name: string): string | number {
  const match = REAL_TIME.exec(name);
  if (match === null) return ALIASES[name] ?? name;
  const [, from, sign, by = '0'] = match;
  return (from === 'MIN' ? RT_MIN : RT_MAX) + (sign === '-' ? -1 : 1) * Number(by);
}
