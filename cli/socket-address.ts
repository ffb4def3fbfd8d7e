/** Where something is told over HTTP, as flags say it: `127.0.0.1:80`, `[::1]:80` or `none`. */
import { isIP } from 'node:net';

const SOCKET = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/;
const NOWHERE = 'none';

/** Undefined for `none`, and for what is no such text. */
export function socketOf(text: string): { host: string; port: number } | undefined {
  const [, six, four = '', digits = ''] = SOCKET.exec(text) ?? [];
  const port = Number(digits);
  if (port < 1 || port > 65535 || isIP(six ?? four) !== (six === undefined ? 4 : 6)) return undefined;
  return { host: six ?? four, port };
}

/** What is wrong with it; undefined if nothing is. */
export function socketProblem(text: string): string | undefined {
  if (text === NOWHERE || socketOf(text) !== undefined) return undefined;
  return `is no address with port, such as 127.0.0.1:9100, nor ${NOWHERE}`;
}
