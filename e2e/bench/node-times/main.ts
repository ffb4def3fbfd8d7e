/**
 * Times what a node does beside starting pods. Runs inside the node's network, which pods' probes reach:
 * `node-times/main.ts KUBECONFIG NAMESPACE IMAGE ADDRESS DELETES FLIPS`; prints JSON.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sleeper, watchPods } from '../pod-watch.ts';

const [kubeconfig = '', namespace = '', image = '', address = '', deletes = '0', flips = '0'] = process.argv.slice(2);
const pods = await watchPods(kubeconfig, namespace);

/** From the request to delete to its end, of a pod whose process obeys SIGTERM; one at a time. */
async function timeDeletes(): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < Number(deletes); i++) {
    const name = `delete-${i}`;
    await pods.create(sleeper(namespace, name, image));
    await pods.until(`${name} Ready`, () => pods.of(name).readyMs !== undefined);
    // The shell needs a moment to set its trap.
    await new Promise(resolve => setTimeout(resolve, 300));
    times.push(...(await pods.remove([name])));
  }
  return times;
}

/** From the answer to a readiness probe that changes the pod to the watch that tells of it. */
async function timeReadiness(): Promise<number[]> {
  let ready = true;
  let answeredMs: number | undefined;
  const server = createServer((_, response) => {
    response.statusCode = ready ? 200 : 503;
    response.end();
    answeredMs ??= performance.now();
  });
  server.listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const readinessProbe = { httpGet: { host: address, port, path: '/' }, periodSeconds: 1, failureThreshold: 1 };
  await pods.create(sleeper(namespace, 'probed', image, { readinessProbe }));
  const { changes } = pods.of('probed');
  await pods.until('probed Ready', () => changes.at(-1)?.ready === true);
  const times: number[] = [];
  for (let i = 0; i < Number(flips); i++) {
    ready = !ready;
    answeredMs = undefined;
    await pods.until('the change', () => changes.at(-1)?.ready === ready);
    times.push((changes.at(-1)?.atMs ?? NaN) - (answeredMs ?? NaN));
  }
  server.close();
  await pods.remove(['probed'], 0);
  return times;
}

const deleteMs = await timeDeletes();
const readinessMs = await timeReadiness();
await pods.close();
console.log(JSON.stringify({ deleteMs, readinessMs }));
