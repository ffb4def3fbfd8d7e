/**
 * What the k8ts of a configuration directory was last started with. Commands that come later (`down`, `reset`, `status`, `logs`, `images`,
 * `token`) find it by that, wherever its directories are; and `up` sees what a running one would have to be restarted for.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { optionTable, type Config, type OptionName } from './config.ts';

/** Values by flag name. */
export type Settings = Readonly<Record<string, unknown>>;

const FILE = 'started-with.json';
/** Part of neither: where it stands says it. */
const SELF = 'config-dir';

/** Called by the process itself, when it has the lock. */
export function rememberConfig(config: Config): void {
  writeFileSync(join(config.configDir, FILE), `${JSON.stringify(settingsOf(config), undefined, 2)}\n`, { mode: 0o644 });
}

/** Empty when nothing was started there, or what is there cannot be read. */
export function rememberedSettings(configDir: string): Settings {
  try {
    const read = JSON.parse(readFileSync(join(configDir, FILE), 'utf8')) as Settings;
    // A version that had other options may have written it.
    return Object.fromEntries(Object.entries(read).filter(([name]) => name in optionTable && name !== SELF));
  } catch {
    return {};
  }
}

/** One line for each option that `wanted` gives another value: `--max-pods: 50 instead of 110`. */
export function changedSettings(running: Settings, wanted: Config): string[] {
  if (Object.keys(running).length === 0) return [];
  const settings = settingsOf(wanted);
  const names = (Object.keys(optionTable) as OptionName[]).filter(name => name !== SELF);
  return names
    .filter(name => said(running[name]) !== said(settings[name]))
    .map(name => `--${name}: ${said(settings[name])} instead of ${said(running[name])}`);
}

function settingsOf(config: Config): Settings {
  const values = config as Readonly<Record<string, unknown>>;
  const camel = (name: string): string => name.replace(/-(.)/g, (_, c: string) => c.toUpperCase());
  return Object.fromEntries(Object.keys(optionTable).map(name => [name, values[camel(name)]]));
}

function said(value: unknown): string {
  if (value === undefined) return 'the default';
  return Array.isArray(value) ? value.join(',') : String(value);
}
