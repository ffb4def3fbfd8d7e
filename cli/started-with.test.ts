import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { readConfig } from './config.ts';
import { changedSettings, rememberConfig, rememberedSettings } from './started-with.ts';

test('changedSettings() names what a running k8ts would have to be restarted for', () => {
  const folder = mkdtempSync(join(tmpdir(), 'started-with-'));
  try {
    const started = readConfig({ 'config-dir': folder, 'data-dir': '/x', 'node-labels': 'a=b,c=d' });
    expect(rememberedSettings(folder)).toEqual({});
    rememberConfig(started);
    const settings = rememberedSettings(folder);
    expect(settings).toMatchObject({ 'data-dir': '/x', 'pod-bridge': 'k8ts0' });
    expect(readConfig({ 'config-dir': folder, ...settings })).toEqual(started);
    expect(changedSettings(settings, started)).toEqual([]);
    const wanted = readConfig({ ...settings, 'config-dir': folder, 'max-pods': 50, 'node-labels': 'a=b' });
    expect(changedSettings(settings, wanted)).toEqual([
      '--node-labels: a=b instead of a=b,c=d',
      '--max-pods: 50 instead of the default',
    ]);
    writeFileSync(join(folder, 'started-with.json'), 'broken');
    expect(changedSettings(rememberedSettings(folder), wanted)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
