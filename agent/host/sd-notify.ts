/** Tells systemd how the service stands (Type=notify). Source: sd_notify(3). Does nothing where systemd did not ask. */
import type { Logger } from '../../machinery/process/logger.ts';
import { loadLibc } from './libc.ts';

/**
 * Sends `lines` (`READY=1`, `STATUS=...`, `STOPPING=1`) to the socket that the environment names. Never throws: a service that systemd hears
 * nothing of is better than none.
 * @returns whether it was sent; false too where no socket is named
 */
export async function sdNotify(
  lines: readonly string[],
  logger: Logger,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<boolean> {
  const socketPath = env['NOTIFY_SOCKET'];
  if (socketPath === undefined || socketPath === '') return false;
  try {
    (await loadLibc()).sendDatagram(socketPath, lines.join('\n'));
    return true;
  } catch (error) {
    logger.error(
      { err: error, lines },
      'systemd cannot be told how the service stands: it may end it as one that does not start',
    );
    return false;
  }
}
