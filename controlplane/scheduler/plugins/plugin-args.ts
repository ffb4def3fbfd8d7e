import { FieldPath } from '../../../machinery/meta/field-path.ts';
import { argsWithDefaults, type ConfigurablePlugin, type PluginArgs } from '../config/plan/settings.ts';
import { pluginArgsErrors } from '../config/plan/validate-plugin-args.ts';

/**
 * A plugin's arguments, whole and valid.
 *
 * @param args as they stand in a profile's `pluginConfig`; undefined for none
 * @throws Error naming every field that is wrong
 */
export function pluginArgs<P extends ConfigurablePlugin>(plugin: P, args: unknown): PluginArgs[P] {
  const whole = argsWithDefaults(plugin, args);
  const errors = pluginArgsErrors(FieldPath.of('args'), plugin, whole);
  if (errors.length > 0) throw new Error(`plugin ${plugin} cannot be used: ${errors.join('; ')}`);
  // What the defaults are made for.
  return whole as PluginArgs[P];
}
