/** Runs k8ts in the foreground: the whole, the control plane alone, or a node alone. */
import type { Config } from '../config.ts';
import { runDaemon as runProcess, type Role } from '../daemon.ts';

export async function runDaemon(role: Role, config: Config): Promise<void> {
  switch (role) {
    case 'up': {
      const { assembleUp } = await import('../roots/up.ts');
      return runProcess(role, config, assembleUp);
    }
    case 'server': {
      const { assembleServer } = await import('../roots/server.ts');
      return runProcess(role, config, assembleServer);
    }
    case 'agent': {
      const { assembleAgent } = await import('../roots/agent.ts');
      return runProcess(role, config, assembleAgent);
    }
  }
}
