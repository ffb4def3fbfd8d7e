import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../../../machinery/process/testdata/eventually.ts';
import { pods } from '../../../machinery/client/resource.ts';
import { readConfiguration } from '../config/read-configuration.ts';
import type { Plugin } from '../framework/framework.ts';
import { pluginRegistry } from '../plugins/registry.ts';
import { OneScheduler } from '../testdata/one-scheduler.ts';
import { guardPlugin } from './guard-plugin.ts';
import { loadPlugins } from './load-plugins.ts';

const EXAMPLES = resolve('deploy/examples');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scheduler-plugins-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function load(source: string, name = 'plugin.mjs'): Promise<unknown> {
  const file = join(await mkdtemp(join(folder, 'case-')), name);
  await writeFile(file, source);
  return loadPlugins([file]);
}

test('the example takes part in decisions, as its configuration says', async () => {
  const one = await OneScheduler.serve();
  try {
    const own = await loadPlugins([join(EXAMPLES, 'rack-plugin.ts')]);
    const { profiles } = await readConfiguration(join(EXAMPLES, 'scheduler.yaml'), own.keys());
    const racks = { a: 'r1', b: 'r2', c: 'r7' };
    for (const [name, rack] of Object.entries(racks)) await one.node(name, '4', { 'example.com/rack': rack });
    one.run({ profiles, registry: new Map([...pluginRegistry, ...own]) });
    const where: string[] = [];
    for (let i = 0; i < 3; i++) {
      const metadata = { name: `p${i}`, namespace: one.namespace, labels: { team: 'red' } };
      await one.client.of(pods).create({ metadata, spec: { containers: [{ name: 'c', image: 'i' }] } });
      where.push(await eventually('it is bound', () => one.nodeOf(`p${i}`)));
    }
    // All on the rack of the first, although the others are emptier.
    expect(new Set(where).size).toBe(1);
    expect(where[0]).not.toBe('c');
    await one.pod('bound', '1', { nodeSelector: { 'kubernetes.io/hostname': 'c' } });
    expect(await eventually('it waits', () => one.waitsFor('bound'))).toContain(
      "0/3 nodes are available: 1 node(s) were on a rack in service, 2 node(s) didn't match Pod's node affinity/selector.",
    );
  } finally {
    await one.close();
  }
});

test('the example configuration needs the example plugin', async () => {
  await expect(readConfiguration(join(EXAMPLES, 'scheduler.yaml'))).rejects.toThrow(
    'plugins of your own are loaded by --scheduler-plugins',
  );
});

describe('loadPlugins()', () => {
  test.each([
    ['nothing', 'export const x = 1;', 'want export const plugins = { MyPlugin: (args, handle) =>'],
    ['an empty object', 'export const plugins = {};', 'want export const plugins'],
    ['no factory', 'export const plugins = { A: {} };', 'plugins.A is no function; want (args, handle) => plugin'],
    ['a name of ours', 'export const plugins = { NodeName: () => ({}) };', 'NodeName is the name of a plugin of k8ts'],
    ['a name that is none', 'export const plugins = { "*": () => ({}) };', '"*" is no name of a plugin'],
    ['a mistake', 'export const plugins = {', 'plugin.mjs cannot be used: '],
  ])('refuses a module with %s', async (_what, source, message) => {
    await expect(load(source)).rejects.toThrow(message);
  });

  test('refuses a file that is not there, and two plugins of one name', async () => {
    await expect(loadPlugins(['/nowhere/x.mjs'])).rejects.toThrow(
      'The scheduler plugins of /nowhere/x.mjs cannot be used: ',
    );
    const file = join(folder, 'twice.mjs');
    await writeFile(file, 'export const plugins = { A: () => ({ name: "A", score: () => 1 }) };');
    await expect(loadPlugins([file, file])).rejects.toThrow('another file has a plugin A too');
  });
});

describe('guardPlugin()', () => {
  test.each<[string, unknown, string]>([
    ['a promise', Promise.resolve({}), 'its factory must return a plugin, not a promise of one'],
    ['nothing', undefined, 'its factory must return a plugin, not undefined'],
    [
      'another name',
      { name: 'B', score: () => 1 },
      'it calls itself "B"; it must have the name that it is exported by',
    ],
    [
      'a mistyped method',
      { name: 'A', prefilter: () => undefined },
      'it has a method prefilter; did you mean preFilter?',
    ],
    ['no method', { name: 'A' }, 'it has nothing for any extension point'],
    ['only what serves others', { name: 'A', normalize: () => undefined }, 'it has nothing for any extension point'],
    ['no function', { name: 'A', filter: true }, 'its filter is no function'],
  ])('refuses %s', (_what, made, message) => {
    expect(() => guardPlugin('A', made)).toThrow(`plugin A: ${message}`);
  });

  test.each<[keyof Plugin, unknown, string]>([
    ['score', NaN, 'score must answer a number, not NaN'],
    ['score', '5', 'score must answer a number, not "5"'],
    ['filter', ['full'], 'filter must answer nothing or a list of { reason, unresolvable }, not ["full"]'],
    ['filter', false, 'filter must answer nothing or a list of { reason, unresolvable }, not false'],
    ['filter', Promise.resolve(), 'filter must answer at once'],
    ['preFilter', { nodeNames: ['a'] }, "preFilter must answer nothing, 'skip',"],
    ['permit', { waitMs: 'long' }, "permit must answer 'allow',"],
    ['reserve', false, 'reserve must answer nothing or'],
    ['eventsToRegister', undefined, 'eventsToRegister must answer a list of { resource, actions } of known words, not'],
    [
      'eventsToRegister',
      [{ resource: 'Pods', actions: ['Add'] }],
      'eventsToRegister must answer a list of { resource, actions } of known words, not [{"resource":"Pods"',
    ],
    [
      'eventsToRegister',
      [{ resource: 'Pod', actions: ['Added'] }],
      'eventsToRegister must answer a list of { resource, actions } of known words, not [{"resource":"Pod"',
    ],
  ])('%s() that answers %p fails with the name of the plugin', (method, answer, message) => {
    const guarded = guardPlugin('A', { name: 'A', score: () => 1, [method]: () => answer }) as unknown as Record<
      string,
      () => unknown
    >;
    expect(() => guarded[method]?.()).toThrow(`plugin A: ${message}`);
  });

  test('leaves what is right as it is, with its this', () => {
    class A {
      readonly name = 'A';
      private readonly most = 7;
      score(): number {
        return this.most;
      }
      normalize(_state: unknown, _pod: unknown, scores: number[]): void {
        scores[0] = NaN;
      }
    }
    const guarded = guardPlugin('A', new A()) as unknown as { score(): number; normalize(...a: unknown[]): void };
    expect(guarded.score()).toBe(7);
    expect(() => guarded.normalize({}, {}, [1])).toThrow('normalize must leave a number for each node');
  });

  test('says whose fault a throw is, and takes no list that lost its nodes', () => {
    const made = {
      name: 'A',
      score() {
        throw new Error('no rack');
      },
      normalize: (_state: unknown, _pod: unknown, scores: number[]) => void scores.splice(0),
    };
    const guarded = guardPlugin('A', made) as unknown as { score(): number; normalize(...a: unknown[]): void };
    expect(() => guarded.score()).toThrow('plugin A: score threw: no rack');
    expect(() => guarded.normalize({}, {}, [1])).toThrow('normalize must leave a number for each node');
  });
});
