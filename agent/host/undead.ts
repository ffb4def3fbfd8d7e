/** Processes that do not end though they were told to: what they do, in the kernel's words. */
import { readdir, readFile } from 'node:fs/promises';
import { cgroupProcesses } from './cgroup-tree.ts';
import type { CgroupLayout } from './cgroup-layout.ts';

/** At most this many are named. */
const MAX_NAMED = 3;

/**
 * Sentences on the processes in the group, those in uninterruptible sleep (`D`) first: no signal ends them until what they wait for comes.
 * '' if there are none. Reads only what cannot hang with the process.
 */
export async function describeUndead(layout: CgroupLayout, cgroup: string): Promise<string> {
  const processes = (await Promise.all((await cgroupProcesses(layout, cgroup)).map(readThreads))).flat();
  const stuck = processes.filter(({ state }) => state === 'D');
  const told = (stuck.length > 0 ? stuck : processes).slice(0, MAX_NAMED);
  const texts = told.map(({ pid, name, state, waits }) => {
    const how =
      state === 'D'
        ? `hangs in the kernel${waits === '' ? '' : ` (${waits})`}, where no signal reaches it`
        : 'still runs';
    return `process ${pid} (${name}) ${how}`;
  });
  return texts.join('; ');
}

interface Thread {
  readonly pid: number;
  readonly name: string;
  readonly state: string;
  readonly waits: string;
}

/** The thread that hangs, if one does, else the process; nothing if it ended. `cmdline` is not read: it takes the memory lock that may be held. */
async function readThreads(pid: number): Promise<Thread[]> {
  const ids = await readdir(`/proc/${pid}/task`).catch(() => []);
  const threads = await Promise.all(
    ids.map(async id => {
      const folder = `/proc/${pid}/task/${id}`;
      const [stat, waits] = await Promise.all([
        readFile(`${folder}/stat`, 'utf8').catch(() => ''),
        readFile(`${folder}/wchan`, 'utf8').catch(() => ''),
      ]);
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
      const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
      return { pid, name, state, waits: waits === '0' ? '' : waits };
    }),
  );
  const stuck = threads.find(({ state }) => state === 'D');
  return stuck === undefined ? threads.slice(0, 1) : [stuck];
}
