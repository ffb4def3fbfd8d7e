/** The proxy's flags: what is wrong with them, and what they say. */
import type { ProxyMode } from '../agent/proxy/plan/decide-mode.ts';
import { cidr as cidrProblems } from '../machinery/meta/value-shapes.ts';
import { socketProblem } from './socket-address.ts';

export interface ProxyFlags {
  readonly proxyMode: string;
  readonly nodeportAddresses?: readonly string[] | undefined;
  readonly proxyMasqueradeBit: number;
  readonly proxyMetricsBindAddress: string;
  readonly proxyHealthzBindAddress: string;
}

const MODES: readonly (ProxyMode | 'auto')[] = ['auto', 'iptables', 'nftables', 'userspace'];

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
    else if (range !== 'primary' && cidrProblems(range).length > 0)
      say('nodeport-addresses', range, 'is no range, such as 192.0.2.0/24, nor primary');
  }
  if (!Number.isInteger(bit) || bit < 0 || bit > 31) say('proxy-masquerade-bit', bit, 'is no bit (0 to 31)');
  for (const [flag, value] of [
    ['proxy-metrics-bind-address', flags.proxyMetricsBindAddress],
    ['proxy-healthz-bind-address', flags.proxyHealthzBindAddress],
  ] as const) {
    const problem = socketProblem(value);
    if (problem !== undefined) say(flag, value, problem);
  }
  return problems;
}

export function isMode(text: string): text is ProxyMode | 'auto' {
  return (MODES as readonly string[]).includes(text);
}
