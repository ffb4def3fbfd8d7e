/** Tells systemd how the service stands (Type=notify). Source: sd_notify(3). Does nothing where systemd did not ask. */
import { loadLibc } from './libc.ts';

/** Sends `lines` (`READY=1`, `STATUS=...`, `STOPPING=1`) to the socket that the environment names; false if there is none. */
export async function sdNotify(
  lines: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<boolean> {
  const socketPath = env['NOTIFY_SOCKET'];
  if (socketPath === undefined || socketPath === '') return false;
  (await loadLibc()).sendDatagram(socketPath, lines.join('\n'));
  return true;
}
