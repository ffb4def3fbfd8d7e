/** What a node says about its machine in `status.nodeInfo` and `status.capacity`. */
import { readFile } from 'node:fs/promises';
import { readHugePages } from './machine-topology.ts';
import { arch, cpus, hostname, release, totalmem } from 'node:os';
import { parseMeminfo } from './machine-usage.ts';

/** All that stays the same until the next boot. */
export interface MachineInfo {
  readonly hostname: string;
  /** Kubernetes' and Go's name: `amd64`, `arm64`. */
  readonly architecture: string;
  readonly kernelVersion: string;
  /** `Debian GNU/Linux 12 (bookworm)` */
  readonly osImage: string;
  /** Of this installation; empty if the host has none. */
  readonly machineId: string;
  /** Of the hardware or virtual machine; the machine id where firmware tells none. */
  readonly systemUuid: string;
  readonly bootId: string;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  /** Bytes that it keeps as huge pages, by resource name; 0 for a size that it knows and keeps none of. */
  readonly hugePages: ReadonlyMap<string, number>;
  /** 0 where no swap is on. */
  readonly swapBytes: number;
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

/** Reads it. */
export async function readMachineInfo(): Promise<MachineInfo> {
  const [osRelease, machineId, systemUuid, bootId, meminfo] = await Promise.all([
    firstText('/etc/os-release', '/usr/lib/os-release'),
    firstText('/etc/machine-id', '/var/lib/dbus/machine-id'),
    firstText('/sys/class/dmi/id/product_uuid', '/sys/hypervisor/uuid'),
    firstText('/proc/sys/kernel/random/boot_id'),
    firstText('/proc/meminfo'),
  ]);
  return {
    hostname: hostname(),
    architecture: ARCHITECTURES[arch()] ?? arch(),
    kernelVersion: release(),
    osImage: parseOsRelease(osRelease).get('PRETTY_NAME') ?? 'Linux',
    machineId,
    systemUuid: systemUuid || machineId,
    bootId,
    cpuCount: cpus().length,
    memoryBytes: totalmem(),
    hugePages: await readHugePages(),
    swapBytes: parseMeminfo(meminfo).get('SwapTotal') ?? 0,
  };
}

/** Reads os-release(5): shell-like assignments, values bare or quoted. */
export function parseOsRelease(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^([A-Z0-9_]+)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S*))\s*$/.exec(line);
    if (match === null) continue;
    const [, name = '', double, single, bare = ''] = match;
    values.set(name, double?.replace(/\\(.)/g, '$1') ?? single ?? bare);
  }
  return values;
}

async function firstText(...paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch(() => '');
    if (text.trim() !== '') return text.trim();
  }
  return '';
}
