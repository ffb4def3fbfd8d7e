import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import { NodeUsages } from './node-usages.ts';
import { readNodePoint } from './plan/node-point.ts';
import { sumOfLists, usageBetween, usageList } from './plan/usage.ts';

const TEXT = `# HELP node_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the node in core-seconds
# TYPE node_cpu_usage_seconds_total counter
node_cpu_usage_seconds_total 12.5 1700000000123
node_memory_working_set_bytes 1.5e+09 1700000000123
container_cpu_usage_seconds_total{container="app",namespace="shop",pod="web-0"} 2.25 1700000000100
container_memory_working_set_bytes{container="app",namespace="shop",pod="web-0"} 4096 1700000000090
container_start_time_seconds{container="app",namespace="shop",pod="web-0"} 1699999990.5
container_cpu_usage_seconds_total{container="half",namespace="shop",pod="web-0"} 1
container_memory_working_set_bytes{container="",namespace="shop",pod="web-0"} 1
something_else{a="b"} 1
nonsense`;

test('readNodePoint() reads what a kubelet says, and leaves out what is not whole', () => {
  const { node, pods } = readNodePoint(TEXT, 5);
  expect(node).toEqual({ timeMs: 1_700_000_000_123, cpuSeconds: 12.5, memoryBytes: 1.5e9, startedAtMs: undefined });
  expect([...pods.keys()]).toEqual(['shop/web-0']);
  expect([...(pods.get('shop/web-0') ?? [])]).toEqual([
    ['app', { timeMs: 1_700_000_000_100, cpuSeconds: 2.25, memoryBytes: 4096, startedAtMs: 1_699_999_990_500 }],
  ]);
  const untimed = readNodePoint('node_cpu_usage_seconds_total 1\nnode_memory_working_set_bytes 2\n', 5);
  expect(untimed.node?.timeMs).toBe(5);
});

describe('usageBetween()', () => {
  const point = (timeMs: number, cpuSeconds: number, startedAtMs?: number) => ({
    timeMs,
    cpuSeconds,
    memoryBytes: 2048,
    startedAtMs,
  });
  test.each([
    { name: 'two points', older: point(1_000, 1), newer: point(3_000, 2), nanos: 500_000_000 },
    { name: 'only one, with its start', older: undefined, newer: point(3_000, 1, 1_000), nanos: 500_000_000 },
    { name: 'only one', older: undefined, newer: point(3_000, 1), nanos: undefined },
    { name: 'began anew', older: point(1_000, 9, 500), newer: point(3_000, 1, 2_000), nanos: 1_000_000_000 },
    { name: 'too close', older: point(2_950, 1), newer: point(3_000, 1), nanos: undefined },
  ])('$name', ({ older, newer, nanos }) => {
    expect(usageBetween(older, newer)?.cpuNanoCores).toBe(nanos);
  });
});

test('usageList() and sumOfLists() write quantities as metrics-server does', () => {
  const list = usageList({ timeMs: 0, windowMs: 1, cpuNanoCores: 137_442_984, memoryBytes: 1025 * 1024 });
  expect(list).toEqual({ cpu: '137442984n', memory: '1025Ki' });
  expect(sumOfLists([list, { cpu: '16n', memory: '1Ki' }])).toEqual({ cpu: '137443u', memory: '1026Ki' });
});

describe('NodeUsages.of()', () => {
  const setUp = () => {
    const clock = new FakeClock();
    const asked: string[] = [];
    const broken = new Set<string>();
    const warned: object[] = [];
    const usages = new NodeUsages({
      clock,
      logger: { ...silentLogger, warn: fields => void warned.push(fields) },
      fetch: async node => {
        asked.push(node);
        if (broken.has(node)) throw new Error('no route');
        return `node_cpu_usage_seconds_total ${asked.length}\nnode_memory_working_set_bytes 1\n`;
      },
    });
    const of = async (...nodes: string[]) => {
      const result = usages.of(nodes);
      await clock.advance(2_000);
      return result;
    };
    return { clock, asked, broken, warned, of };
  };

  test('takes two points at first, one later, none while they are fresh', async () => {
    const { clock, asked, of } = setUp();
    const pair = (await of('a')).get('a');
    expect([pair?.older.node?.cpuSeconds, pair?.newer.node?.cpuSeconds]).toEqual([1, 2]);
    await of('a');
    expect(asked).toHaveLength(2);
    await clock.advance(15_000);
    expect((await of('a')).get('a')?.older.node?.cpuSeconds).toBe(2);
    expect(asked).toHaveLength(3);
    await clock.advance(600_000);
    await of('a');
    expect(asked).toHaveLength(5);
  });

  test('leaves out who does not answer, and does not ask again at once', async () => {
    const { clock, asked, broken, of } = setUp();
    broken.add('b');
    expect([...(await of('a', 'b', 'b')).keys()]).toEqual(['a']);
    await of('b');
    expect(asked.filter(node => node === 'b')).toHaveLength(1);
    broken.clear();
    await clock.advance(15_000);
    expect((await of('b')).has('b')).toBe(true);
  });

  test('tells once of a node that stays silent, however often somebody asks', async () => {
    const { clock, broken, warned, of } = setUp();
    broken.add('b');
    for (let i = 0; i < 5; i++) {
      await of('b');
      await clock.advance(15_000);
    }
    expect(warned).toHaveLength(1);
    broken.clear();
    await of('b');
    await clock.advance(15_000);
    broken.add('b');
    await of('b');
    expect(warned).toHaveLength(2);
  });
});
