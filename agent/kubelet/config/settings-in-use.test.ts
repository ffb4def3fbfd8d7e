import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { schemaOf } from '../../../machinery/meta/schema-table.ts';
import type { StructSchema } from '../../../machinery/meta/schema.ts';
import { unsupportedSettings } from './plan/configuration-support.ts';
import type { ConfigurationFile } from './plan/kubelet-configuration.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
/** Without effect upstream as well: gone with dockershim, or with the kubelet's own chains. */
const WITHOUT_EFFECT = ['hairpinMode', 'iptablesMasqueradeBit', 'iptablesDropBit'];
/** Read while defaults are filled in. */
const IN_DEFAULTS = ['serializeImagePulls', 'mergeDefaultEvictionSettings', 'apiVersion', 'kind'];
/** Taken apart: parts of it are refused. */
const BY_PARTS = ['logging'];

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    const isSource =
      path.endsWith('.ts') && !path.endsWith('.test.ts') && !/kubelet-configuration|validate-/.test(path);
    return isSource ? [readFileSync(path, 'utf8')] : [];
  });
}

test('every setting is read by somebody, or refused', () => {
  const text = [join(here, '..'), join(here, '..', '..', '..', 'cli', 'roots')].flatMap(sources).join('\n');
  const { fields } = schemaOf('kubelet/config/v1beta1', 'KubeletConfiguration') as StructSchema;
  const known = new Set([...WITHOUT_EFFECT, ...IN_DEFAULTS, ...BY_PARTS]);
  const isRefused = (name: string): boolean =>
    unsupportedSettings({ [name]: { any: 1 } } as unknown as ConfigurationFile).length > 0;
  const unread = [...fields.keys()].filter(
    name => !known.has(name) && !isRefused(name) && !new RegExp(`\\b${name}\\b`).test(text),
  );
  expect(unread).toEqual([]);
});
