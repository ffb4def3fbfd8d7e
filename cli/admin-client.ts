/** The administrator's client of the cluster whose control plane runs on this machine. */
import { existsSync } from 'node:fs';
import type { Client } from '../machinery/client/client.ts';
import { loadKubeconfig, transportFor } from '../machinery/client/kubeconfig.ts';
import { RestClient } from '../machinery/client/rest-client.ts';
import { systemClock } from '../machinery/process/clock.ts';
import { CliError, exitCodes } from './exit-codes.ts';
import type { Paths } from './paths.ts';
import { requireAccess } from './require-access.ts';

/** @throws CliError when there is no kubeconfig here */
export async function adminClient(paths: Paths): Promise<{ client: Client; close(): Promise<void> }> {
  requireAccess(paths.adminKubeconfig, 'token');
  if (!existsSync(paths.adminKubeconfig)) {
    throw new CliError(
      `There is no ${paths.adminKubeconfig}: run this on the control machine, after k8ts up`,
      exitCodes.notRunning,
    );
  }
  const transport = transportFor(await loadKubeconfig(paths.adminKubeconfig), systemClock, 'k8ts');
  return { client: new RestClient(transport, { fieldManager: 'k8ts' }), close: () => transport.close() };
}
