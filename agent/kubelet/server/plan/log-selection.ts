/**
 * Which lines of a container's log a reader gets, and how they look. Lines are in CRI's format `TIME STREAM TAG TEXT`; the tag P marks a part
 * of a line that goes on in the next one of its stream, F its end. Pure.
 */
import type { LogStreamName, PodLogOptions } from '../../../../machinery/meta/pod-log-options.ts';

export interface LogSelection {
  readonly timestamps: boolean;
  /** Only lines at or after this time, milliseconds since the epoch. */
  readonly sinceMs: number | undefined;
  readonly stream: LogStreamName;
}

/** Of a request made at `nowMs`. */
export function logSelection(options: PodLogOptions, nowMs: number): LogSelection {
  const { timestamps, sinceSeconds, sinceTimeMs, stream } = options;
  return { timestamps, stream, sinceMs: sinceSeconds === undefined ? sinceTimeMs : nowMs - sinceSeconds * 1000 };
}

const SPACE = 0x20;
const PART = 0x50;
const NEWLINE = Buffer.from('\n');
const NOTHING = Buffer.alloc(0);

/** Whether the line that begins here is a part, to be continued. */
export function isPart(line: Buffer): boolean {
  const afterTime = line.indexOf(SPACE);
  const afterStream = afterTime < 0 ? -1 : line.indexOf(SPACE, afterTime + 1);
  return afterStream >= 0 && line[afterStream + 1] === PART;
}

/** Selects lines one after another; remembers which streams are in the midst of a line. */
export class LineSelector {
  private readonly selection: LogSelection;
  private readonly unfinished = new Set<string>();

  constructor(selection: LogSelection) {
    this.selection = selection;
  }

  /**
   * What a reader gets of one raw line (without its newline).
   * @returns nothing for a line that is left out, or is none of CRI's
   */
  select(line: Buffer): readonly Buffer[] {
    const afterTime = line.indexOf(SPACE);
    const afterStream = afterTime < 0 ? -1 : line.indexOf(SPACE, afterTime + 1);
    const afterTag = afterStream < 0 ? -1 : line.indexOf(SPACE, afterStream + 1);
    if (afterTag < 0) return [];
    const stream = line.toString('latin1', afterTime + 1, afterStream);
    const continues = this.unfinished.has(stream);
    const part = line[afterStream + 1] === PART;
    if (part) this.unfinished.add(stream);
    else this.unfinished.delete(stream);
    const { sinceMs, stream: wanted, timestamps } = this.selection;
    if (wanted !== 'All' && stream !== wanted.toLowerCase()) return [];
    const time = line.subarray(0, afterTime);
    if (sinceMs !== undefined && Date.parse(time.toString('latin1')) < Math.floor(sinceMs)) return [];
    return [
      timestamps && !continues ? line.subarray(0, afterTime + 1) : NOTHING,
      line.subarray(afterTag + 1),
      part ? NOTHING : NEWLINE,
    ];
  }
}
