import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createApiServer } from '../controlplane/apiserver/api-server.ts';
import { MemoryStore } from '../controlplane/store/memory/memory-store.ts';
import { RestClient } from '../machinery/client/rest-client.ts';
import { storageClasses } from '../machinery/client/resource.ts';
import { generateKeyPem } from '../machinery/pki/certificate.ts';
import { systemClock as clock } from '../machinery/process/clock.ts';
import { silentLogger as logger } from '../machinery/process/logger.ts';
import { publishLocalPathClass } from './local-path-class.ts';

const stop = new AbortController();
let running: Promise<void>;
let client: RestClient;

beforeAll(async () => {
  const server = createApiServer({
    store: new MemoryStore(clock),
    clock,
    logger,
    advertiseAddress: '127.0.0.1',
    serviceAccountKeys: { signingKey: generateKeyPem() },
  });
  client = new RestClient(server.inProcess({ name: 'admin', groups: ['system:masters'] }));
  running = server.run(stop.signal);
  await server.ready();
});
afterAll(async () => {
  stop.abort();
  await running;
});

const names = async (): Promise<(string | undefined)[]> =>
  (await client.of(storageClasses).list()).items.map(({ metadata }) => metadata.name);

test('publishLocalPathClass() makes the class once, and leaves it to whoever changes or deletes it', async () => {
  await Promise.all([publishLocalPathClass(client), publishLocalPathClass(client)]);
  const made = await client.of(storageClasses).get({ name: 'local-path' });
  expect(made).toMatchObject({ provisioner: 'k8ts.io/local-path', volumeBindingMode: 'WaitForFirstConsumer' });
  expect(made.metadata.annotations).toEqual({ 'storageclass.kubernetes.io/is-default-class': 'true' });
  await client.of(storageClasses).delete({ name: 'local-path' });
  await publishLocalPathClass(client);
  expect(await names()).toEqual([]);
});
