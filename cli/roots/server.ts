/** `k8ts server`: the control plane alone. */
import type { DaemonContext } from '../daemon.ts';
import { startControlPlane } from './control-plane.ts';

export async function assembleServer(context: DaemonContext): Promise<void> {
  await startControlPlane(context);
}
