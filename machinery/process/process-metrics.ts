/**
 * What Prometheus' client libraries tell of the process that they are in, read when somebody asks.
 * Source: prometheus.io, "Writing client libraries", process metrics; proc(5).
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { MetricsRegistry } from './metrics.ts';

export function processMetrics(registry: MetricsRegistry): void {
  const gauge = (name: string, help: string): ((value: number) => void) => {
    const metric = registry.gauge(`process_${name}`, help);
    return value => metric.set(value);
  };
  const cpu = registry.gauge('process_cpu_seconds_total', 'User and system CPU time spent, in seconds.', [], 'counter');
  const resident = gauge('resident_memory_bytes', 'Resident memory in bytes.');
  const virtual = gauge('virtual_memory_bytes', 'Virtual memory in bytes.');
  const started = gauge('start_time_seconds', 'Start of the process in seconds since the epoch.');
  const open = gauge('open_fds', 'Open file descriptors.');
  const most = gauge('max_fds', 'How many file descriptors may be open.');
  const heap = registry.gauge('nodejs_heap_used_bytes', 'Bytes of the JavaScript heap in use.');
  started(performance.timeOrigin / 1000);
  registry.onScrape(() => {
    const { user, system } = process.cpuUsage();
    cpu.set((user + system) / 1e6);
    const { rss, heapUsed } = process.memoryUsage();
    resident(rss);
    heap.set(heapUsed);
    virtual(Number(/^VmSize:\s+(\d+)/m.exec(procFile('status'))?.[1] ?? 0) * 1024);
    most(Number(/^Max open files\s+(\d+)/m.exec(procFile('limits'))?.[1] ?? 0));
    open(openFiles());
  });
}

/** '' where there is no proc(5). */
function procFile(name: string): string {
  try {
    return readFileSync(`/proc/self/${name}`, 'utf8');
  } catch {
    return '';
  }
}

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}
