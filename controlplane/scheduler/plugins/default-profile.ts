/** What decides when nothing is configured: upstream's default plugins, in upstream's order and with upstream's weights. */
import { DEFAULT_PLUGINS } from '../config/plan/default-plugins.ts';
import type { ProfileSpec } from '../framework/profile.ts';

export const DEFAULT_SCHEDULER_NAME = 'default-scheduler';

export const defaultProfile: ProfileSpec = {
  schedulerName: DEFAULT_SCHEDULER_NAME,
  multiPoint: DEFAULT_PLUGINS,
};
