/** The proxy's flags: what is wrong with them, and sockets as they say them. */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { ProxyMode } from '../agent/proxy/plan/decide-mode.ts';

export interface ProxyFlags {
  readonly proxyMode: string;
  readonly nodeportAddresses?: readonly string[] | undefined;
  readonly proxyMasqueradeBit: number;
  readonly proxyMetricsBindAddress: string;
  readonly proxyHealthzBindAddress: string;
}

const MODES: readonly (ProxyMode | 'auto')[] = ['auto', 'iptables', 'nftables', 'userspace'];
const SOCKET = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/;
const NOWHERE = 'none';

/** One sentence a wrong value. */
export function proxyProblems(flags: ProxyFlags): string[] {
  const { proxyMode, nodeportAddresses: ranges = [], proxyMasqueradeBit: bit } = flags;
  const problems: string[] = [];
  const say = (flag: string, value: string | number, want: string): void => {
    problems.push(`--${flag}: ${JSON.stringify(value)} ${want}`);
  };
  if (!isMode(proxyMode)) say('proxy-mode', proxyMode, `is none of ${MODES.join(', ')}`);
  for (const range of ranges) {
    if (range === 'primary' && ranges.length > 1) say('nodeport-addresses', range, 'does not go with ranges');
    else if (range !== 'primary' && !ipaddr.isValidCIDR(range))
      say('nodeport-addresses', range, 'is no range, such as 192.0.2.0/24, nor primary');
  }
  if (!Number.isInteger(bit) || bit < 0 || bit > 31) say('proxy-masquerade-bit', bit, 'is no bit (0 to 31)');
  for (const [flag, value] of [
    ['proxy-metrics-bind-address', flags.proxyMetricsBindAddress],
    ['proxy-healthz-bind-address', flags.proxyHealthzBindAddress],
  ] as const) {
    if (value !== NOWHERE && socketOf(value) === undefined)
      say(flag, value, `is no address with port, such as 127.0.0.1:10249, nor ${NOWHERE}`);
  }
  return problems;
}

export function isMode(text: string): text is ProxyMode | 'auto' {
  return (MODES as readonly string[]).includes(text);
}

/** `127.0.0.1:80` or `[::1]:80` taken apart; undefined for `none` and all else. */
export function socketOf(text: string): { host: string; port: number } | undefined {
  const [, six, four = '', digits = ''] = SOCKET.exec(text) ?? [];
  const port = Number(digits);
  if (port < 1 || port > 65535 || isIP(six ?? four) !== (six === undefined ? 4 : 6)) return undefined;
  return { host: six ?? four, port };
}
