/** Files of the kubelet's that containers see as their own, and the link by which log shippers find their logs. */
import { chmod, mkdir, readlink, symlink, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** /etc/hosts of a pod. */
export async function writeHostsFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  // Containers that run hold this very file: it is written in place, never replaced.
  await writeFile(path, text);
  // Whatever our umask: containers may run as anyone.
  await chmod(path, 0o644);
}

/** Empty. Containers may run as anyone, so anyone may write. */
export async function makeTerminationFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  await writeFile(path, '');
  await chmod(path, 0o666);
}

/** Never throws. */
export async function linkLog(link: string, target: string): Promise<void> {
  try {
    await mkdir(dirname(link), { recursive: true });
    if ((await readlink(link).catch(() => '')) === target) return;
    await unlink(link).catch(() => undefined);
    await symlink(target, link);
  } catch {
    // Told nowhere: the log itself is where it must be.
  }
}
