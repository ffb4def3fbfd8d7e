import { expect, test } from '@jest/globals';
import { createProfiles, type SharedHandle } from './create-profiles.ts';
import { mergeWithDefaults } from './config/plan/plugin-sets.ts';
import { handleAlone } from './testdata/plugins-alone.ts';
import { pluginRegistry } from './plugins/registry.ts';

const shared: SharedHandle = handleAlone({});
const make = (...points: object[]): unknown =>
  createProfiles(
    points.map((plugins, i) => ({ schedulerName: `s${i}`, ...mergeWithDefaults(plugins) })),
    pluginRegistry,
    shared,
  );
const OFF = { disabled: [{ name: '*' }] };

test('profiles are made of the default plugins', () => {
  expect(make({}, { score: OFF })).toEqual(
    new Map([
      ['s0', expect.anything()],
      ['s1', expect.anything()],
    ]),
  );
});

test.each<[string, object[], string]>([
  ['nobody to bind', [{}, { bind: OFF }], 'profile s1: at least one Bind plugin is needed'],
  ['nobody to sort', [{ queueSort: OFF }], 'profile s0 must have one QueueSort plugin, not 0'],
  ['a plugin where it has nothing', [{ bind: { enabled: [{ name: 'NodeName' }] } }], 'profile s0: plugin NodeName has'],
])('a profile with %s is refused by its name', (_what, points, message) => {
  expect(() => make(...points)).toThrow(message);
});
