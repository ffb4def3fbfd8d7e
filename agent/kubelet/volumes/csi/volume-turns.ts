/** One operation a volume at a time, whichever pods ask: stage, publish, expand and their undoing never meet. */
import type { Clock } from '../../../../machinery/process/clock.ts';
import { Gate } from '../../pods/gate.ts';

export class VolumeTurns {
  private readonly clock: Clock;
  private readonly gates = new Map<string, { gate: Gate; users: number }>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** @param volume its name on the node. @throws what `work` throws, or the signal's reason if it aborts before its turn */
  async run<T>(volume: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const entry = this.gates.get(volume) ?? { gate: new Gate({ limit: 1, clock: this.clock }), users: 0 };
    this.gates.set(volume, entry);
    entry.users++;
    try {
      return await entry.gate.run(work, signal);
    } finally {
      if (--entry.users === 0) this.gates.delete(volume);
    }
  }
}
