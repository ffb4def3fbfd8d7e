/** Whether this host's kernel enforces AppArmor profiles. */
import { readFile } from 'node:fs/promises';

export async function isAppArmorEnabled(): Promise<boolean> {
  const enabled = await readFile('/sys/module/apparmor/parameters/enabled', 'utf8').catch(() => '');
  return enabled.startsWith('Y');
}
