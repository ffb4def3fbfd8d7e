import { expect, test } from '@jest/globals';
import { notFound, serviceUnavailable } from '../meta/status-error.ts';
import { MeteredTransport } from './metered-transport.ts';
import type { ApiRequest, Transport } from './transport.ts';

const request = (path: string, method: ApiRequest['method'] = 'GET'): ApiRequest => ({ method, path });
const transport: Transport = {
  call: ({ path }) => {
    if (path === '/none') return Promise.reject(notFound({ group: '', resource: 'pods' }, 'x'));
    if (path === '/away') return Promise.reject(serviceUnavailable('away', { cause: new Error('ECONNREFUSED') }));
    return Promise.resolve('answer');
  },
  async *watch() {
    yield { type: 'ADDED', object: 1 };
  },
  close: () => Promise.resolve(),
};

test('MeteredTransport tells of calls and watches as they end', async () => {
  const seen: string[] = [];
  const metered = new MeteredTransport(transport);
  expect(await metered.call(request('/unseen'))).toBe('answer');
  metered.observer = (method, code) => void seen.push(`${method} ${code}`);
  expect(await metered.call(request('/a'))).toBe('answer');
  await metered.call(request('/a', 'POST'));
  await expect(metered.call(request('/none'))).rejects.toThrow('not found');
  await expect(metered.call(request('/away'))).rejects.toThrow('away');
  const objects: unknown[] = [];
  for await (const { object } of metered.watch(request('/watched'))) objects.push(object);
  expect(objects).toEqual([1]);
  expect(seen).toEqual(['GET 200', 'POST 201', 'GET 404', 'GET <error>', 'GET 200']);
});
