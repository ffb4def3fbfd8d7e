import { describe, expect, test } from '@jest/globals';
import type { Plugins } from '../../../../proto/api/kube-scheduler-config-v1.ts';
import { placePlugins } from '../../framework/profile.ts';
import { mergeWithDefaults } from './plugin-sets.ts';

/** The plugins of this test that have a score. */
const SCORING = new Set(['TaintToleration', 'NodeAffinity', 'ImageLocality', 'Mine']);

/** Names and weights of the plugins that score, in order. */
function scores(plugins?: Plugins): string[] {
  const create = (name: string) => ({ name, ...(SCORING.has(name) ? { score: () => 0 } : {}) });
  const { score } = placePlugins({ schedulerName: 'a', ...mergeWithDefaults(plugins) }, create);
  return score.map(({ plugin, weight }) => `${plugin.name}*${weight}`);
}

describe('mergeWithDefaults()', () => {
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
});
