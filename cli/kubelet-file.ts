/** The kubelet's configuration file, as the command line names it. */
import type { ConfigurationFile } from '../agent/kubelet/config/plan/kubelet-configuration.ts';
import { ConfigurationError, readConfiguration } from '../agent/kubelet/config/read-configuration.ts';
import type { Config } from './config.ts';
import { CliError, exitCodes } from './exit-codes.ts';

/** @throws CliError (usage) that says everything that is wrong with the files */
export async function readKubeletFile(config: Config): Promise<ConfigurationFile> {
  try {
    return await readConfiguration(config.kubeletConfig, config.kubeletConfigDir);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new CliError(error.message, exitCodes.usage);
  }
}
