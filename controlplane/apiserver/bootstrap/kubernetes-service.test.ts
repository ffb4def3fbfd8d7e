import { expect, test } from '@jest/globals';
import { systemClock } from '../../../machinery/process/clock.ts';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import { serverOptions, startServer } from '../testdata/running-server.ts';

test('servers that start at once on one store make the kubernetes service once, and all come up', async () => {
  const store = new MemoryStore(systemClock);
  const { serviceAccountKeys } = serverOptions();
  const servers = await Promise.all(
    Array.from({ length: 4 }, () => startServer({ store, serviceAccountKeys, serviceCIDR: '10.96.0.0/16' })),
  );
  const services = await Promise.all(
    servers.map(({ admin }) => admin.call({ method: 'GET', path: '/api/v1/namespaces/default/services/kubernetes' })),
  );
  expect(new Set(services.map(service => (service as { metadata: { uid: string } }).metadata.uid)).size).toBe(1);
  await Promise.all(servers.map(server => server.stop()));
});
