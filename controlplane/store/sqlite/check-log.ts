/**
 * Before SQLite may touch the log of a process that died: whether it holds all that was acknowledged.
 *
 * Nothing is changed where it does not: what can still be read of a damaged log is for the person who decides.
 */
import { basename } from 'node:path';
import { StoreUnavailableError } from '../store.ts';
import { acceptLossOf, markOf, type Acknowledged } from './acknowledged-mark.ts';
import { scanLog, type LogScan } from './log-scan.ts';

/**
 * What to do with the log: `keep` it as it is; `repair` says the same of one that ends in an unfinished write, which SQLite
 * drops; `discard` what the database has already.
 */
export type LogVerdict = 'keep' | 'repair' | 'discard';

/**
 * @param mark undefined when there is none to trust
 * @throws StoreUnavailableError corrupt: what is damaged, what would be lost, what to do
 */
export function checkLog(path: string, mark: Acknowledged | undefined): LogVerdict {
  const scan = scanLog(`${path}-wal`);
  if (mark === undefined) {
    if (scan.later > 0) throw lost(path, scan, undefined);
    return scan.torn ? 'repair' : 'keep';
  }
  if (mark.frames === 0 && mark.log !== '' && scan.log === mark.log) return 'discard';
  if (mark.frames > 0) {
    const sameLog = scan.log === mark.log;
    // After a power cut the mark may be older than the log.
    const laterLog = scan.log !== undefined && !sameLog && isLater(scan.log, mark.log);
    if (!laterLog && (!sameLog || scan.committed < mark.frames)) throw lost(path, scan, mark);
  }
  if (scan.later > 0) throw lost(path, scan, mark);
  return scan.torn ? 'repair' : 'keep';
}

/** SQLite counts the first salt up whenever it begins a log anew. */
function isLater(log: string, than: string): boolean {
  const first = (salts: string): number => Number.parseInt(salts.slice(0, 8), 16);
  const steps = (first(log) - first(than)) >>> 0;
  return steps > 0 && steps < 0x8000_0000;
}

function lost(path: string, scan: LogScan, mark: Acknowledged | undefined): StoreUnavailableError {
  const log = basename(`${path}-wal`);
  const where =
    scan.log === undefined
      ? `its log ${log} is missing or its first bytes are damaged`
      : `its log ${log} is damaged or cut at byte ${scan.endsAt} (after frame ${scan.frames}${mark === undefined ? '' : ` of ${mark.frames}`})`;
  const what =
    mark === undefined
      ? 'acknowledged changes behind that place would be lost'
      : `of the acknowledged changes of revisions ${mark.folded + 1} to ${mark.revision} those behind that place would be lost`;
  return new StoreUnavailableError(
    'corrupt',
    `Store ${path} is damaged: ${where}; ${what}. Nothing was changed. ${wayOut(path)}`,
  );
}

/** What a person can do about lost changes. */
export function wayOut(path: string): string {
  return `Restore the store from a backup; or, to go on without these changes, run "mv ${markOf(path)} ${acceptLossOf(path)}" and start again`;
}
