import { describe, expect, test } from '@jest/globals';
import { notFound } from '../meta/status-error.ts';
import { FakeClock } from '../process/clock.ts';
import { silentLogger } from '../process/logger.ts';
import { EventRecorder } from './event-recorder.ts';
import { RestClient } from './rest-client.ts';
import type { ApiRequest, Transport } from './transport.ts';

function setUp(answer: (request: ApiRequest) => unknown = () => ({})) {
  const clock = new FakeClock();
  const requests: ApiRequest[] = [];
  const transport: Transport = {
    call: async request => {
      requests.push(request);
      return answer(request);
    },
    watch: () => {
      throw new Error('not used');
    },
    close: async () => {},
  };
  const recorder = new EventRecorder({
    client: new RestClient(transport),
    clock,
    logger: silentLogger,
    component: 'kubelet',
    host: 'n1',
  });
  return { clock, requests, recorder };
}

const subject = { apiVersion: 'v1', kind: 'Pod', namespace: 'ns', name: 'p', uid: 'u' };
const body = (request: ApiRequest | undefined) => request?.body as Record<string, unknown>;

describe('EventRecorder', () => {
  test('event() writes a core event that kubectl describe finds', async () => {
    const { recorder, requests } = setUp();
    recorder.event(subject, 'Normal', 'Pulled', 'Image is there');
    await recorder.flush();
    expect(requests[0]?.path).toBe('/api/v1/namespaces/ns/events');
    expect(body(requests[0])).toMatchObject({
      involvedObject: subject,
      reason: 'Pulled',
      count: 1,
      source: { component: 'kubelet', host: 'n1' },
    });
  });

  test('event() counts up when the same comes again', async () => {
    const { recorder, requests } = setUp();
    for (let i = 0; i < 3; i++) recorder.event(subject, 'Warning', 'BackOff', 'again');
    await recorder.flush();
    expect(requests.map(r => r.method)).toEqual(['POST', 'PATCH', 'PATCH']);
    expect(body(requests[2])).toMatchObject({ count: 3 });
  });

  test('event() writes a moment later, what came meanwhile together', async () => {
    const { recorder, requests, clock } = setUp();
    recorder.event(subject, 'Normal', 'Pulled', 'one');
    await clock.advance(100);
    recorder.event(subject, 'Normal', 'Created', 'two');
    await clock.advance(99);
    expect(requests).toEqual([]);
    await clock.advance(1);
    expect(requests.map(r => body(r)['reason'])).toEqual(['Pulled', 'Created']);
  });

  test('stop() writes what waits and takes no more', async () => {
    const { recorder, requests } = setUp();
    recorder.event(subject, 'Normal', 'Pulled', 'one');
    await recorder.stop();
    recorder.event(subject, 'Normal', 'Created', 'two');
    await recorder.flush();
    expect(requests).toHaveLength(1);
  });

  test('event() begins anew when the first one expired', async () => {
    const { recorder, requests } = setUp(r => {
      if (r.method === 'PATCH') throw notFound({ group: '', resource: 'events' }, 'x');
      return {};
    });
    recorder.event(subject, 'Normal', 'A', 'm');
    recorder.event(subject, 'Normal', 'A', 'm');
    await recorder.flush();
    expect(requests.map(r => r.method)).toEqual(['POST', 'PATCH', 'POST']);
  });

  test('event() combines many similar ones and cuts off an object that floods', async () => {
    const { recorder, requests } = setUp();
    for (let i = 0; i < 100; i++) recorder.event(subject, 'Normal', 'Sync', `message ${i}`);
    await recorder.flush();
    expect(requests).toHaveLength(25);
    expect(requests.filter(r => r.method === 'POST')).toHaveLength(10);
    expect(body(requests[24])['message']).toContain('combined from similar events');
  });

  test('event() has room for warnings about an object of which much that is normal was told', async () => {
    const { recorder, requests } = setUp();
    for (let i = 0; i < 100; i++) recorder.event(subject, 'Normal', 'Sync', 'once more');
    recorder.event(subject, 'Warning', 'Unhealthy', 'it fails');
    await recorder.flush();
    expect(requests).toHaveLength(26);
    expect(body(requests[25])['message']).toBe('it fails');
  });
});
