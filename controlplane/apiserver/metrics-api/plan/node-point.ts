/**
 * What a kubelet's `/metrics/resource` says, read. Pure. Lines that are not understood are left out: kubelets tell more than is used here.
 * Source: prometheus.io, "Exposition formats", text-based format.
 */

/** Counters of one node or container at one moment. */
export interface Point {
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  /** Since its start. */
  readonly cpuSeconds: number;
  /** The working set. */
  readonly memoryBytes: number;
  /** Milliseconds since the epoch; undefined where nobody says. */
  readonly startedAtMs: number | undefined;
}

export interface NodePoint {
  readonly node: Point | undefined;
  /** `namespace/name` -> container -> point. */
  readonly pods: ReadonlyMap<string, ReadonlyMap<string, Point>>;
}

type Partly = { -readonly [K in keyof Point]?: Point[K] };

const FIELDS: Readonly<Record<string, 'cpuSeconds' | 'memoryBytes' | 'startedAtMs'>> = {
  node_cpu_usage_seconds_total: 'cpuSeconds',
  node_memory_working_set_bytes: 'memoryBytes',
  container_cpu_usage_seconds_total: 'cpuSeconds',
  container_memory_working_set_bytes: 'memoryBytes',
  container_start_time_seconds: 'startedAtMs',
};

const LINE = /^([a-z_]+)(?:\{(.*)\})? (\S+)(?: (-?\d+))?$/;

/** @param nowMs when a series does not say when it was measured */
export function readNodePoint(text: string, nowMs: number): NodePoint {
  const node: Partly = {};
  const pods = new Map<string, Map<string, Partly>>();
  for (const line of text.split('\n')) {
    const [, metric = '', labels = '', number = '', time] = LINE.exec(line) ?? [];
    const field = FIELDS[metric];
    const value = Number(number);
    if (field === undefined || !Number.isFinite(value)) continue;
    const target = metric.startsWith('node_') ? node : partOf(pods, labelsOf(labels));
    if (target === undefined) continue;
    target[field] = field === 'startedAtMs' ? value * 1000 : value;
    // Rates are of processors: their time is the one that counts.
    if (field === 'cpuSeconds') target.timeMs = time === undefined ? nowMs : Number(time);
  }
  return {
    node: whole(node),
    pods: new Map(
      [...pods].map(([key, containers]) => [
        key,
        new Map(
          [...containers].flatMap(([name, partly]) => {
            const point = whole(partly);
            return point === undefined ? [] : [[name, point] as const];
          }),
        ),
      ]),
    ),
  };
}

function partOf(pods: Map<string, Map<string, Partly>>, labels: ReadonlyMap<string, string>): Partly | undefined {
  const [namespace, pod, container] = ['namespace', 'pod', 'container'].map(name => labels.get(name) ?? '');
  if (!namespace || !pod || !container) return undefined;
  const key = `${namespace}/${pod}`;
  const containers = pods.get(key) ?? new Map<string, Partly>();
  pods.set(key, containers);
  const partly = containers.get(container) ?? {};
  containers.set(container, partly);
  return partly;
}

function labelsOf(text: string): Map<string, string> {
  const labels = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g))
    labels.set(
      name,
      value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char)),
    );
  return labels;
}

function whole({ timeMs, cpuSeconds, memoryBytes, startedAtMs }: Partly): Point | undefined {
  if (timeMs === undefined || cpuSeconds === undefined || memoryBytes === undefined) return undefined;
  return { timeMs, cpuSeconds, memoryBytes, startedAtMs };
}
