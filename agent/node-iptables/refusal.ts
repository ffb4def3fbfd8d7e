/** What the commands say when they fail: of which sort it is, and which line of their input they mean. */
import type { CommandFailure } from './command-error.ts';

/** As `iptables-restore` ("line 3 failed", "line: 3") and `ipset` ("in line 3") say it. */
const LINE = /line[ :]+(\d+)/i;
/** As nft says it: file, line, first and last column. */
const NFT_PLACE = /^\/dev\/stdin:(\d+):(\d+)-(\d+): /m;
const SHOWN_CHARACTERS = 300;

/** The sort of failure. 4 is the documented code for a lock held or resource trouble; for lack of rights there is none. */
export function refusalKind(exitCode: number, stderr: string): CommandFailure {
  if (exitCode === 127) return 'missing';
  if (/xtables lock/i.test(stderr)) return 'locked';
  if (/permission denied|operation not permitted|you must be root/i.test(stderr)) return 'permission';
  if (/initialize|Protocol not supported|do you need to insmod/i.test(stderr)) return 'unsupported';
  return 'refused';
}

/** The line of input that was refused; of one that is very long the part that is meant. */
export function failedAt(stderr: string, input: string): { lineNumber?: number; inputLine?: string } {
  const nft = NFT_PLACE.exec(stderr);
  const lineNumber = Number(nft?.[1] ?? LINE.exec(stderr)?.[1]);
  if (Number.isNaN(lineNumber)) return {};
  const line = nthLine(input, lineNumber);
  if (line === undefined) return { lineNumber };
  if (line.length <= SHOWN_CHARACTERS) return { lineNumber, inputLine: line };
  const [from, to] = nft === null ? [0, 0] : [Number(nft[2]) - 1, Number(nft[3])];
  return {
    lineNumber,
    inputLine:
      line.slice(from, Math.min(Math.max(to, from + 1), from + SHOWN_CHARACTERS)) + (nft === null ? '...' : ''),
  };
}

function nthLine(input: string, lineNumber: number): string | undefined {
  let start = 0;
  for (let line = 1; line < lineNumber; line++) {
    const end = input.indexOf('\n', start);
    if (end < 0) return undefined;
    start = end + 1;
  }
  const end = input.indexOf('\n', start);
  return input.slice(start, end < 0 ? undefined : end);
}
