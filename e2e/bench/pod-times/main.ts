/**
 * Times pods as a client sees them, from create to Ready as a watcher is told. Runs inside the node's network:
 * `pod-times/main.ts KUBECONFIG NAMESPACE IMAGE ONE_AT_A_TIME AT_ONCE`; prints JSON.
 */
import { sleeper, watchPods } from '../pod-watch.ts';

const [kubeconfig = '', namespace = '', image = '', sequential = '0', burst = '0'] = process.argv.slice(2);
const pods = await watchPods(kubeconfig, namespace);
const sleep = { command: ['/bin/sleep', '100000'] };
const one: number[] = [];
for (let i = 0; i < Number(sequential); i++) {
  const name = `one-${i}`;
  const begin = performance.now();
  await pods.create(sleeper(namespace, name, image, sleep));
  await pods.until(`${name} Ready`, () => pods.of(name).readyMs !== undefined);
  one.push((pods.of(name).readyMs ?? NaN) - begin);
  await pods.remove([name], 0);
}
const names = Array.from({ length: Number(burst) }, (_, i) => `burst-${i}`);
const begin = performance.now();
await Promise.all(names.map(name => pods.create(sleeper(namespace, name, image, sleep))));
await pods.until('all Ready', () => names.every(name => pods.of(name).readyMs !== undefined));
const atOnceMs = Math.max(...names.map(name => pods.of(name).readyMs ?? NaN)) - begin;
await pods.remove(names, 0);
await pods.close();
console.log(JSON.stringify({ one, atOnceMs }));
