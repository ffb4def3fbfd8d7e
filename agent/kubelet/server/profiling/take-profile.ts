/** Watches this process for a while. Nothing is loaded until somebody asks. */
import type { Session } from 'node:inspector/promises';
import type { Frame, Profile, Sample } from './pprof.ts';

/** Somebody else is at it. */
export class ProfileInUse extends Error {
  override readonly name = 'ProfileInUse';
}

const SAMPLE_US = 10_000;
const HEAP_SAMPLE_BYTES = 32 * 1024;

/** Takes one profile at a time. `wait` says for how long; what it throws is thrown. */
export class Profiler {
  private isBusy = false;

  /** Where processor time goes. @throws ProfileInUse */
  cpu(wait: () => Promise<void>): Promise<Profile> {
    return this.withSession(session => cpuProfile(session, wait));
  }

  /** What is allocated in this time and still held at its end. @throws ProfileInUse */
  heap(wait: () => Promise<void>): Promise<Profile> {
    return this.withSession(session => heapProfile(session, wait));
  }

  private async withSession<T>(work: (session: Session) => Promise<T>): Promise<T> {
    if (this.isBusy) throw new ProfileInUse('a profile is being taken already');
    this.isBusy = true;
    const { Session } = await import('node:inspector/promises');
    const session = new Session();
    session.connect();
    try {
      return await work(session);
    } finally {
      session.disconnect();
      this.isBusy = false;
    }
  }
}

async function cpuProfile(session: Session, wait: () => Promise<void>): Promise<Profile> {
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_US });
  const startedAtMs = Date.now();
  await session.post('Profiler.start');
  await wait();
  const { profile } = await session.post('Profiler.stop');
  const { nodes, samples = [], timeDeltas = [], startTime, endTime } = profile;
  const byId = new Map(nodes.map(node => [node.id, node]));
  const parents = new Map(nodes.flatMap(node => (node.children ?? []).map(child => [child, node.id] as const)));
  const seen = new Map<number, { count: number; us: number }>();
  samples.forEach((id, i) => {
    const sum = seen.get(id) ?? { count: 0, us: 0 };
    seen.set(id, { count: sum.count + 1, us: sum.us + Math.max(0, timeDeltas[i] ?? 0) });
  });
  const stackOf = (leaf: number): Frame[] => {
    const stack: Frame[] = [];
    for (let id: number | undefined = leaf; id !== undefined; id = parents.get(id)) {
      const frame = byId.get(id)?.callFrame;
      if (frame !== undefined && frame.functionName !== '(root)') stack.push(frame);
    }
    return stack;
  };
  const isIdle = (id: number): boolean => byId.get(id)?.callFrame.functionName === '(idle)';
  return {
    types: [
      ['samples', 'count'],
      ['cpu', 'nanoseconds'],
    ],
    samples: [...seen]
      .filter(([id]) => !isIdle(id))
      .map(([id, { count, us }]) => ({ stack: stackOf(id), values: [count, us * 1000] })),
    startedAtMs,
    durationMs: (endTime - startTime) / 1000,
  };
}

async function heapProfile(session: Session, wait: () => Promise<void>): Promise<Profile> {
  await session.post('HeapProfiler.enable');
  const startedAtMs = Date.now();
  await session.post('HeapProfiler.startSampling', { samplingInterval: HEAP_SAMPLE_BYTES });
  await wait();
  const { profile } = await session.post('HeapProfiler.stopSampling');
  const samples: Sample[] = [];
  const pending: { node: typeof profile.head; above: readonly Frame[] }[] = [{ node: profile.head, above: [] }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node, above } = next;
    const stack = node.callFrame.functionName === '(root)' ? above : [node.callFrame, ...above];
    if (node.selfSize > 0) samples.push({ stack, values: [node.selfSize] });
    for (const child of node.children) pending.push({ node: child, above: stack });
  }
  return { types: [['inuse_space', 'bytes']], samples, startedAtMs, durationMs: Date.now() - startedAtMs };
}
