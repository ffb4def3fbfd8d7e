/** The CNI configuration directory and the plugins, on disk. */
import { access, constants, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CNI_CONFIG_FILE, CNI_PLUGINS, foreignConfigs } from './plan/cni-config.ts';

/** Debian's place and everybody else's. */
export const CNI_PLUGIN_DIRS: readonly string[] = ['/usr/lib/cni', '/opt/cni/bin'];

/** The first directory that holds all plugins, or what each one lacks. */
export type CniPlugins =
  { readonly kind: 'found'; readonly dir: string } | { readonly kind: 'missing'; readonly message: string };

export async function findCniPlugins(dirs: readonly string[] = CNI_PLUGIN_DIRS): Promise<CniPlugins> {
  const lacking: string[] = [];
  for (const dir of dirs) {
    const missing: string[] = [];
    for (const plugin of CNI_PLUGINS) {
      await access(path.join(dir, plugin), constants.X_OK).catch(() => missing.push(plugin));
    }
    if (missing.length === 0) return { kind: 'found', dir };
    lacking.push(`${dir} lacks ${missing.join(', ')}`);
  }
  return { kind: 'missing', message: `No CNI plugins: ${lacking.join('; ')}; install containernetworking-plugins` };
}

export class CniDirectory {
  private readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  /** The first configuration of another network; undefined if there is none. */
  async foreign(): Promise<string | undefined> {
    await mkdir(this.dir, { recursive: true, mode: 0o755 });
    return foreignConfigs(await readdir(this.dir))[0];
  }

  /** Makes our configuration say `text`. */
  async write(text: string): Promise<void> {
    const file = path.join(this.dir, CNI_CONFIG_FILE);
    if ((await readFile(file, 'utf8').catch(() => '')) === text) return;
    // The runtime watches the directory: it must never see half a file, nor the temporary one as a configuration.
    const temporary = path.join(this.dir, `.${CNI_CONFIG_FILE}.tmp`);
    await writeFile(temporary, text, { mode: 0o644 });
    await rename(temporary, file);
  }

  /** Removes our configuration. */
  async cleanup(): Promise<void> {
    await rm(path.join(this.dir, CNI_CONFIG_FILE), { force: true });
  }
}
