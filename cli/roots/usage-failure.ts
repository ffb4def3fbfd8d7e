/**
 * A part that ends for its settings ends k8ts as a wrong command line does: with that exit code systemd does not start it again and again,
 * which would end the pods' control plane each time anew and help nobody.
 */
import { UnusableSettingsError } from '../../agent/kubelet/config/plan/unusable-settings-error.ts';
import type { Component } from '../../machinery/process/component.ts';
import { CliError, exitCodes } from '../exit-codes.ts';

export function withUsageFailure(component: Component): Component {
  return {
    name: component.name,
    ready: () => component.ready(),
    run: async signal => {
      try {
        await component.run(signal);
      } catch (error) {
        if (!(error instanceof UnusableSettingsError)) throw error;
        throw new CliError(error.message, exitCodes.usage, { cause: error });
      }
    },
  };
}
