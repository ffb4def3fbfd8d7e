import { describe, expect, test } from '@jest/globals';
import type { Plugins } from '../../../../proto/api/kube-scheduler-config-v1.ts';
import { DEFAULT_PLUGINS } from './default-plugins.ts';
import { expandPlugins, mergeWithDefaults, type ExtensionPoint } from './plugin-sets.ts';

const points = new Map<string, Set<ExtensionPoint>>([
  ...DEFAULT_PLUGINS.map(({ name }) => [name, new Set<ExtensionPoint>()] as const),
  ['PrioritySort', new Set<ExtensionPoint>(['queueSort'])],
  ['NodeAffinity', new Set<ExtensionPoint>(['filter', 'score'])],
  ['ImageLocality', new Set<ExtensionPoint>(['score'])],
  ['TaintToleration', new Set<ExtensionPoint>(['filter', 'score'])],
  ['Mine', new Set<ExtensionPoint>(['filter', 'score'])],
]);

const scores = (plugins?: Plugins): string[] =>
  expandPlugins(mergeWithDefaults(plugins), points).score.map(({ name, weight }) => `${name}*${weight ?? 1}`);

describe('expandPlugins()', () => {
  test.each<[string, Plugins | undefined, string[]]>([
    ['has the defaults', undefined, ['TaintToleration*3', 'NodeAffinity*2', 'ImageLocality*1']],
    [
      'adds a plugin behind them',
      { multiPoint: { enabled: [{ name: 'Mine', weight: 5 }] } },
      ['TaintToleration*3', 'NodeAffinity*2', 'ImageLocality*1', 'Mine*5'],
    ],
    [
      'gives a default another weight in its place',
      { multiPoint: { enabled: [{ name: 'NodeAffinity', weight: 7 }] } },
      ['TaintToleration*3', 'NodeAffinity*7', 'ImageLocality*1'],
    ],
    [
      'takes the weight of the point before that of multiPoint, and asks that plugin first',
      { score: { enabled: [{ name: 'ImageLocality', weight: 9 }] } },
      ['ImageLocality*9', 'TaintToleration*3', 'NodeAffinity*2'],
    ],
    [
      'leaves out what is disabled, everywhere or at the point',
      { multiPoint: { disabled: [{ name: 'NodeAffinity' }] }, score: { disabled: [{ name: 'TaintToleration' }] } },
      ['ImageLocality*1'],
    ],
    [
      'begins with nothing when all are disabled',
      { multiPoint: { disabled: [{ name: '*' }], enabled: [{ name: 'Mine' }] } },
      ['Mine*1'],
    ],
    [
      'disables multiPoint at one point',
      { score: { disabled: [{ name: '*' }], enabled: [{ name: 'Mine', weight: 2 }] } },
      ['Mine*2'],
    ],
  ])('%s', (_what, plugins, expected) => {
    expect(scores(plugins)).toEqual(expected);
  });

  test.each<[string, Plugins, string]>([
    ['does not exist', { multiPoint: { enabled: [{ name: 'Yours' }] } }, 'MultiPointPlugin "Yours" does not exist'],
    [
      'is none of the point',
      { bind: { enabled: [{ name: 'Mine' }] } },
      'plugin "Mine" does not extend BindPlugin plugin',
    ],
    [
      'is named twice',
      { filter: { enabled: [{ name: 'Mine' }, { name: 'Mine' }] } },
      'plugin "Mine" already registered as "FilterPlugin"',
    ],
    [
      'is named twice in multiPoint',
      { multiPoint: { enabled: [{ name: 'Mine' }, { name: 'Mine' }] } },
      'plugin "Mine" already registered as "FilterPlugin"',
    ],
  ])('refuses a plugin that %s', (_what, plugins, message) => {
    expect(() => scores(plugins)).toThrow(message);
  });
});
