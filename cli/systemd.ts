/** Tells systemd how we are, when it started us (Type=notify). Silent elsewhere. */
import { execFile } from 'node:child_process';

export function notifySystemd(state: 'READY=1' | 'STOPPING=1'): Promise<void> {
  if (process.env['NOTIFY_SOCKET'] === undefined) return Promise.resolve();
  // systemd-notify is there wherever systemd is; it acts for its parent, which NotifyAccess=all allows.
  return new Promise(resolve => execFile('systemd-notify', [`--pid=${process.pid}`, state], () => resolve()));
}
