/** What the interfaces of a network namespace have carried, from /proc/PID/net/dev. */
import { readFile } from 'node:fs/promises';

/** Since the interface was made. */
export interface InterfaceCounters {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

/** In the network namespace of that process, loopback left out; none if the process is gone. @param pid `self` for this one's */
export async function readNetworkCounters(pid: number | 'self'): Promise<InterfaceCounters[]> {
  return parseNetDev(await readFile(`/proc/${pid}/net/dev`, 'utf8').catch(() => ''));
}

/** Reads proc(5)'s net/dev: two lines of heads, then `name: eight numbers received, eight sent`. */
export function parseNetDev(text: string): InterfaceCounters[] {
  const found: InterfaceCounters[] = [];
  for (const line of text.split('\n').slice(2)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).trim();
    if (colon < 0 || name === 'lo') continue;
    const numbers = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    const [rxBytes = 0, rxPackets = 0, rxErrors = 0, rxDropped = 0] = numbers;
    const [txBytes = 0, txPackets = 0, txErrors = 0, txDropped = 0] = numbers.slice(8);
    found.push({ name, rxBytes, rxPackets, rxErrors, rxDropped, txBytes, txPackets, txErrors, txDropped });
  }
  return found;
}
