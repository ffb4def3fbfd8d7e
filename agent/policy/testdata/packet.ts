/** The first packet of a connection, as the simulated packet filters see it. */
import type { Connection } from './oracle.ts';

export interface Packet extends Connection {
  readonly hook: 'forward' | 'input';
}
