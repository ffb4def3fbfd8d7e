/** The scheduler's configuration file and plugins, as the command line names them. */
import type { PluginRegistry } from '../controlplane/scheduler/framework/framework.ts';
import type { SchedulerSettings } from '../controlplane/scheduler/config/plan/settings.ts';
import type { Config } from './config.ts';
import { CliError, exitCodes } from './exit-codes.ts';

export interface SchedulerFile extends SchedulerSettings {
  /** Where it stands; undefined: nobody said anything. */
  readonly path: string | undefined;
  /** Plugins that profiles may name. */
  readonly registry: PluginRegistry;
}

/** @throws CliError (usage) that says everything that is wrong with the files */
export async function readSchedulerFile(config: Config): Promise<SchedulerFile> {
  const { ConfigurationError, readConfiguration } =
    await import('../controlplane/scheduler/config/read-configuration.ts');
  const { loadPlugins, PluginModuleError } = await import('../controlplane/scheduler/own-plugins/load-plugins.ts');
  const { defaultSettings } = await import('../controlplane/scheduler/config/plan/settings.ts');
  const { pluginRegistry } = await import('../controlplane/scheduler/plugins/registry.ts');
  try {
    const own = await loadPlugins(config.schedulerPlugins ?? []);
    const file = config.schedulerConfig;
    const settings = file === undefined ? defaultSettings() : await readConfiguration(file, own.keys());
    return { ...settings, path: file, registry: new Map([...pluginRegistry, ...own]) };
  } catch (error) {
    if (!(error instanceof ConfigurationError || error instanceof PluginModuleError)) throw error;
    throw new CliError(error.message, exitCodes.usage);
  }
}
