/** Plugins that are not ours: ES modules that export `plugins`, factories by name (see `plugin-api.ts` and docs/scheduling.md). */
import { pathToFileURL } from 'node:url';
import { errorText } from '../../../machinery/meta/error-text.ts';
import type { PluginFactory, PluginRegistry } from '../framework/framework.ts';
import { pluginRegistry } from '../plugins/registry.ts';
import { guardPlugin } from './guard-plugin.ts';

/** A module cannot be used. The message names the file, and what to do. */
export class PluginModuleError extends Error {
  constructor(file: string, message: string, options?: ErrorOptions) {
    super(`The scheduler plugins of ${file} cannot be used: ${message}`, options);
    this.name = 'PluginModuleError';
  }
}

/**
 * @param files absolute paths, loaded one after the other
 * @returns by name
 * @throws PluginModuleError
 */
export async function loadPlugins(files: readonly string[]): Promise<PluginRegistry> {
  const registry = new Map<string, PluginFactory>();
  for (const file of files) {
    for (const [name, factory] of Object.entries(pluginsIn(file, await importModule(file)))) {
      if (typeof factory !== 'function')
        throw new PluginModuleError(file, `plugins.${name} is no function; want (args, handle) => plugin`);
      if (name.trim() !== name || name === '' || name === '*')
        throw new PluginModuleError(file, `${JSON.stringify(name)} is no name of a plugin`);
      if (pluginRegistry.has(name))
        throw new PluginModuleError(file, `${name} is the name of a plugin of k8ts; choose another`);
      if (registry.has(name))
        throw new PluginModuleError(file, `another file has a plugin ${name} too; choose another name`);
      const create = factory as PluginFactory;
      registry.set(name, (args, handle) => guardPlugin(name, create(args, handle)));
    }
  }
  return registry;
}

function pluginsIn(file: string, module: unknown): Record<string, unknown> {
  const { plugins } = module as { plugins?: unknown };
  const isObject = typeof plugins === 'object' && plugins !== null && !Array.isArray(plugins);
  if (!isObject || Object.keys(plugins).length === 0)
    throw new PluginModuleError(
      file,
      'want export const plugins = { MyPlugin: (args, handle) => ({ name: "MyPlugin", … }) }',
    );
  return plugins as Record<string, unknown>;
}

async function importModule(file: string): Promise<unknown> {
  try {
    return (await import(pathToFileURL(file).href)) as unknown;
  } catch (error) {
    const { code } = error as { code?: unknown };
    const message =
      code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?ts$/.test(file)
        ? `Node.js ${process.versions.node} runs no TypeScript; make JavaScript of it: npx esbuild ${file} --bundle --platform=node --format=esm --outfile=${file.replace(/ts$/, 'mjs').replace(/mmjs$/, 'mjs')}`
        : errorText(error);
    throw new PluginModuleError(file, message, { cause: error });
  }
}
