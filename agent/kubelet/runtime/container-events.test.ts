import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import { ContainerDelete, TaskExit, TaskOOM, TaskStart } from '../../../proto/cri/containerd-events.gen.ts';
import { ContainerEventType } from '../../../proto/cri/runtime.gen.ts';
import type { ContainerEvent, GapEvent } from './container-event.ts';
import { ContainerEvents, type EventClient } from './container-events.ts';
import { RuntimeError, type GrpcCode } from './runtime-error.ts';

type Step = { kind: 'item'; item: unknown } | { kind: 'fail'; code: GrpcCode };
const fail = (code: GrpcCode): Step => ({ kind: 'fail', code });
const item = (item: unknown): Step => ({ kind: 'item', item });
const error = (code: GrpcCode) => new RuntimeError(code, 'X', 'x', 0);

/** A runtime whose streams play scripts, one a connection, and then stay open until aborted. */
class FakeRuntime implements EventClient {
  cri: Step[][] = [];
  native: Step[][] = [];
  away = false;
  version() {
    return this.away ? Promise.reject(error('Unavailable')) : Promise.resolve({});
  }
  containerEvents({ signal }: { signal: AbortSignal }) {
    return this.play(this.cri, signal);
  }
  stream({ path }: { path: string }, _request: unknown, { signal }: { signal: AbortSignal }) {
    expect(path).toBe('/containerd.services.events.v1.Events/Subscribe');
    return this.play(this.native, signal);
  }
  private async *play(connections: Step[][], signal: AbortSignal): AsyncGenerator<never> {
    if (this.away) throw error('Unavailable');
    for (const step of connections.shift() ?? [fail('Unimplemented')]) {
      if (step.kind === 'fail') throw error(step.code);
      await settled();
      signal.throwIfAborted();
      yield step.item as never;
    }
    signal.throwIfAborted();
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  }
}

async function settled() {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

/** Moves the clock in steps, with room for long chains of promises between them. */
async function pass(clock: FakeClock, ms: number) {
  for (let passed = 0; passed < ms; passed += 100) {
    await settled();
    await clock.advance(100);
  }
  await settled();
}

function start(client: FakeRuntime) {
  const clock = new FakeClock();
  const heard: (ContainerEvent | GapEvent)[] = [];
  const events = new ContainerEvents({
    client,
    clock,
    logger: silentLogger,
    onEvent: event => heard.push(event),
    relistDelayMs: () => 1_000,
  });
  const abort = new AbortController();
  const running = events.run(abort.signal);
  const stop = async () => {
    abort.abort();
    await running;
  };
  return { clock, heard, events, stop };
}

const envelope = (topic: string, value: Uint8Array) => item({ topic, event: { typeUrl: '', value } });

describe('ContainerEvents', () => {
  test('takes the events of CRI where there are any', async () => {
    const client = new FakeRuntime();
    const status = { id: 's1' };
    client.cri = [
      [
        item({
          containerId: 'c1',
          containerEventType: ContainerEventType.CONTAINER_CREATED_EVENT,
          containersStatuses: [],
        }),
        item({
          containerId: 'c1',
          containerEventType: ContainerEventType.CONTAINER_STARTED_EVENT,
          podSandboxStatus: status,
        }),
        item({
          containerId: 'c1',
          containerEventType: ContainerEventType.CONTAINER_STOPPED_EVENT,
          podSandboxStatus: status,
          containersStatuses: [{ id: 'c1', exitCode: 3 }],
        }),
      ],
    ];
    const { heard, events, stop } = start(client);
    await events.ready();
    for (let i = 0; i < 12; i++) await settled();
    expect(events.source).toBe('cri');
    await stop();
    expect(heard).toEqual([
      { kind: 'gap' },
      { kind: 'started', containerId: 'c1', sandboxId: 's1' },
      { kind: 'exited', containerId: 'c1', sandboxId: 's1', exitCode: 3 },
    ]);
  });

  test("takes containerd's own where CRI has none, and leaves out the ends of execs", async () => {
    const client = new FakeRuntime();
    client.native = [
      [
        envelope('/tasks/start', TaskStart.encode({ containerId: 'c1', pid: 7 }).finish()),
        envelope('/tasks/exit', TaskExit.encode({ containerId: 'c1', id: 'exec-1', pid: 8, exitStatus: 1 }).finish()),
        envelope('/tasks/oom', TaskOOM.encode({ containerId: 'c1' }).finish()),
        envelope('/tasks/exit', TaskExit.encode({ containerId: 'c1', id: 'c1', pid: 7, exitStatus: 137 }).finish()),
        envelope('/images/create', new Uint8Array()),
        envelope('/containers/delete', ContainerDelete.encode({ id: 'c0' }).finish()),
      ],
    ];
    const { heard, events, stop } = start(client);
    await events.ready();
    for (let i = 0; i < 12; i++) await settled();
    expect(events.source).toBe('containerd');
    await stop();
    expect(heard.filter(event => event.kind !== 'gap')).toEqual([
      { kind: 'started', containerId: 'c1', pid: 7 },
      { kind: 'oom', containerId: 'c1' },
      { kind: 'exited', containerId: 'c1', pid: 7, exitCode: 137 },
      { kind: 'deleted', containerId: 'c0' },
    ]);
  });

  test('tells a gap a second where there is neither', async () => {
    const { clock, heard, events, stop } = start(new FakeRuntime());
    await events.ready();
    for (let i = 0; i < 12; i++) await settled();
    const before = heard.length;
    await pass(clock, 3_000);
    expect(events.source).toBe('relist');
    expect(heard.slice(before)).toEqual([{ kind: 'gap' }, { kind: 'gap' }, { kind: 'gap' }]);
    await stop();
  });

  test('tells nothing while the runtime is away, and a gap when it is back', async () => {
    const client = new FakeRuntime();
    client.away = true;
    client.cri = [[]];
    const { clock, heard, stop } = start(client);
    await pass(clock, 10_000);
    expect(heard).toEqual([]);
    client.away = false;
    await pass(clock, 1_000);
    expect(heard).toEqual([{ kind: 'gap' }]);
    await stop();
  });

  test('tells a gap after each break', async () => {
    const client = new FakeRuntime();
    const started = { containerId: 'c1', containerEventType: ContainerEventType.CONTAINER_STARTED_EVENT };
    client.cri = [[item(started), fail('Unavailable')], [item({ ...started, containerId: 'c2' })]];
    const { clock, heard, stop } = start(client);
    await pass(clock, 2_000);
    await stop();
    expect(heard.map(event => (event.kind === 'gap' ? 'gap' : event.containerId))).toEqual(['gap', 'c1', 'gap', 'c2']);
  });
});
