/** `/configz`, `/flagz`, `/statusz`: what the kubelet is and how it was told to be. Source of the last two: KEP-4828, KEP-4827. */
import type { KubeletConfiguration } from '../../config/plan/kubelet-configuration.ts';
import { HttpError, sendJson, sendText, type Exchange } from '../exchange.ts';
import { getRoute, type Route } from '../route.ts';

export interface AboutOptions {
  readonly configuration: KubeletConfiguration;
  /** Of Kubernetes: `v1.36.0`. */
  readonly version: string;
  /** Options that the process was started with, by name. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** Paths that are served, for `/statusz`. */
  readonly paths: () => readonly string[];
}

const WARNING =
  'Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.';

export function aboutRoutes(options: AboutOptions): Route[] {
  const { configuration, flags } = options;
  const { apiVersion: _, kind: __, staticPodURLHeader, ...rest } = configuration;
  const kubeletconfig = {
    ...rest,
    ...(staticPodURLHeader === undefined ? {} : { staticPodURLHeader: masked(staticPodURLHeader) }),
  };
  return [
    getRoute('configz', ({ response }) => sendJson(response, { kubeletconfig })),
    getRoute('flagz', exchange => {
      const lines = Object.entries(flags).map(([name, value]) => `${name}=${plain(value)}`);
      sendPage(exchange, 'flagz', lines.sort());
    }),
    getRoute('statusz', exchange => sendPage(exchange, 'statusz', status(options))),
  ];
}

/** Headers of the request for static pods: passwords, as a rule. */
function masked(headers: Readonly<Record<string, readonly string[]>>): Record<string, readonly string[]> {
  return Object.fromEntries(Object.keys(headers).map(name => [name, ['<masked>']]));
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function sendPage({ request, response }: Exchange, name: string, lines: readonly string[]): void {
  const accept = request.headers.accept ?? '*/*';
  if (!/\*\/\*|text\/(\*|plain)/.test(accept))
    throw new HttpError(406, `only text/plain is served here, not ${accept}`);
  sendText(response, 200, `\nkubelet ${name}\n${WARNING}\n\n${lines.join('\n')}\n`);
}

function status({ version, paths }: AboutOptions): string[] {
  const seconds = Math.floor(process.uptime());
  const two = (value: number): string => String(value).padStart(2, '0');
  const up = `${Math.floor(seconds / 3600)} hr ${two(Math.floor(seconds / 60) % 60)} min ${two(seconds % 60)} sec`;
  const bare = version.replace(/^v/, '');
  return [
    `Started: ${new Date(Date.now() - process.uptime() * 1000).toUTCString()}`,
    `Up: ${up}`,
    `Node.js version: ${process.version}`,
    `Binary version: ${bare}`,
    `Emulation version: ${bare}`,
    '',
    `Paths: ${[...paths()].sort().join(' ')}`,
  ];
}
