/** What only dashboards ask of a control group, on v1, v2 and hybrid: how processor time splits, block I/O, swap, pressure, failures. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { allDirectories, controllerDirectory, type CgroupLayout } from './cgroup-layout.ts';
import { parseKeyed } from './cgroup-stats.ts';
import { cgroupProcesses } from './cgroup-tree.ts';
import type {
  CgroupDetails,
  CpuThrottling,
  DeviceIo,
  PressureKind,
  PressureLine,
  PressureStall,
} from '../../machinery/meta/cgroup-details.ts';

const PRESSURES: readonly PressureKind[] = ['cpu', 'memory', 'io'];
/** USER_HZ, which the kernel's interface fixes. */
const NANOS_PER_TICK = 10_000_000;

/** Reads them; of a group that does not exist nothing is defined. */
export async function readCgroupDetails(layout: CgroupLayout, path: string): Promise<CgroupDetails> {
  const v2 = layout.shape === 'v2';
  const read = async (controller: string, file: string): Promise<string> => {
    const directory = controllerDirectory(layout, controller, path);
    return directory === undefined ? '' : readFile(join(directory, file), 'utf8').catch(() => '');
  };
  const [
    cpuStat,
    cpuacct,
    memoryStat,
    swap,
    peak,
    events,
    failcnt,
    ioBytes,
    ioCounts,
    pressure,
    threads,
    maxThreads,
    pids,
  ] = await Promise.all([
    read('cpu', 'cpu.stat'),
    v2 ? '' : read('cpuacct', 'cpuacct.stat'),
    read('memory', 'memory.stat'),
    v2 ? read('memory', 'memory.swap.current') : '',
    read('memory', v2 ? 'memory.peak' : 'memory.max_usage_in_bytes'),
    read('memory', v2 ? 'memory.events' : 'memory.oom_control'),
    v2 ? '' : read('memory', 'memory.failcnt'),
    v2 ? read('io', 'io.stat') : read('blkio', 'blkio.throttle.io_service_bytes_recursive'),
    v2 ? '' : read('blkio', 'blkio.throttle.io_serviced_recursive'),
    readPressure(layout, path),
    read('pids', 'pids.current'),
    read('pids', 'pids.max'),
    // Of the machine the sampler counts them: walking all groups would.
    path === '/' ? [] : cgroupProcesses(layout, path),
  ]);
  const cpu = parseKeyed(cpuStat);
  const ticks = parseKeyed(cpuacct);
  const memory = parseKeyed(memoryStat);
  const counts = parseKeyed(events);
  const of = (value: number | undefined, scale: number) => (value === undefined ? undefined : value * scale);
  return {
    cpuUserNanos: v2 ? of(cpu.get('user_usec'), 1_000) : of(ticks.get('user'), NANOS_PER_TICK),
    cpuSystemNanos: v2 ? of(cpu.get('system_usec'), 1_000) : of(ticks.get('system'), NANOS_PER_TICK),
    throttling: throttlingOf(cpu),
    cacheBytes: memory.get(v2 ? 'file' : 'total_cache'),
    mappedFileBytes: memory.get(v2 ? 'file_mapped' : 'total_mapped_file'),
    swapBytes: v2 ? numberIn(swap) : memory.get('total_swap'),
    maxUsageBytes: numberIn(peak),
    memoryFailures: v2 ? counts.get('max') : numberIn(failcnt),
    oomKills: counts.get('oom_kill'),
    processes: pids.length,
    threads: numberIn(threads),
    maxThreads: numberIn(maxThreads),
    io: await withNames(v2 ? parseIoStat(ioBytes) : parseBlkio(ioBytes, ioCounts)),
    pressure,
  };
}

function throttlingOf(cpu: ReadonlyMap<string, number>): CpuThrottling | undefined {
  const periods = cpu.get('nr_periods');
  if (periods === undefined) return undefined;
  const micros = cpu.get('throttled_usec');
  return {
    periods,
    throttledPeriods: cpu.get('nr_throttled') ?? 0,
    throttledNanos: micros === undefined ? (cpu.get('throttled_time') ?? 0) : micros * 1000,
  };
}

/** Pressure is v2's own: hybrid hosts have it in the hierarchy beside; of the whole machine /proc tells. */
async function readPressure(layout: CgroupLayout, path: string): Promise<CgroupDetails['pressure']> {
  const directories =
    path === '/' ? ['/proc/pressure'] : layout.shape === 'v1' ? [] : allDirectories(layout, path).reverse();
  const found: Partial<Record<PressureKind, PressureStall>> = {};
  await Promise.all(
    PRESSURES.map(async kind => {
      for (const directory of directories) {
        const file = path === '/' ? kind : `${kind}.pressure`;
        const stall = parsePressure(await readFile(join(directory, file), 'utf8').catch(() => ''));
        if (stall === undefined) continue;
        found[kind] = stall;
        return;
      }
    }),
  );
  return found;
}

/** Reads `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` and the line `full`, which older kernels lack for processors. */
function parsePressure(text: string): PressureStall | undefined {
  const line = (name: string): PressureLine | undefined => {
    const fields = new RegExp(`^${name} avg10=([\\d.]+) avg60=([\\d.]+) avg300=([\\d.]+) total=(\\d+)$`, 'm').exec(
      text,
    );
    if (fields === null) return undefined;
    const [, avg10, avg60, avg300, total] = fields.map(Number);
    return { avg10: avg10 ?? 0, avg60: avg60 ?? 0, avg300: avg300 ?? 0, total: total ?? 0 };
  };
  const some = line('some');
  if (some === undefined) return undefined;
  return { some, full: line('full') ?? { avg10: 0, avg60: 0, avg300: 0, total: 0 } };
}

type Io = Omit<DeviceIo, 'device'>;

/** v2: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`. */
function parseIoStat(text: string): Io[] {
  return [...text.matchAll(/^(\d+):(\d+) (.*)$/gm)].map(([, major = '', minor = '', rest = '']) => {
    const fields = new Map([...rest.matchAll(/(\w+)=(\d+)/g)].map(([, name, value]) => [name, Number(value)]));
    const of = (name: string): number => fields.get(name) ?? 0;
    return { major, minor, readBytes: of('rbytes'), writeBytes: of('wbytes'), reads: of('rios'), writes: of('wios') };
  });
}

/** v1: `8:0 Read 1`, one file for bytes and one for operations. */
function parseBlkio(bytes: string, counts: string): Io[] {
  const parse = (text: string): Map<string, number> =>
    new Map(
      [...text.matchAll(/^(\d+:\d+ (?:Read|Write)) (\d+)$/gm)].map(([, key = '', value]) => [key, Number(value)]),
    );
  const [ofBytes, ofCounts] = [parse(bytes), parse(counts)];
  const devices = new Set([...ofBytes.keys(), ...ofCounts.keys()].map(key => key.split(' ')[0] ?? ''));
  return [...devices].map(device => {
    const [major = '', minor = ''] = device.split(':');
    return {
      major,
      minor,
      readBytes: ofBytes.get(`${device} Read`) ?? 0,
      writeBytes: ofBytes.get(`${device} Write`) ?? 0,
      reads: ofCounts.get(`${device} Read`) ?? 0,
      writes: ofCounts.get(`${device} Write`) ?? 0,
    };
  });
}

function withNames(io: readonly Io[]): Promise<DeviceIo[]> {
  return Promise.all(
    io.map(async one => {
      const uevent = await readFile(`/sys/dev/block/${one.major}:${one.minor}/uevent`, 'utf8').catch(() => '');
      const name = /^DEVNAME=(.+)$/m.exec(uevent)?.[1];
      return { ...one, device: name === undefined ? '' : `/dev/${name}` };
    }),
  );
}

function numberIn(text: string): number | undefined {
  const value = Number.parseInt(text, 10);
  return Number.isNaN(value) ? undefined : value;
}
