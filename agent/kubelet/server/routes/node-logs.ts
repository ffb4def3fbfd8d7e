/**
 * `/logs/`: files of the node's log folder, and what its services wrote (`?query=`), if the configuration allows it.
 *
 * Differs: a link that leads out of the folder is not followed.
 */
import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { drained } from '../../../../machinery/streaming/readable-over-websocket.ts';
import { run } from '../../../host/exec.ts';
import { streamCommand } from '../../../host/stream-command.ts';
import { HttpError, type Exchange } from '../exchange.ts';
import {
  hasOptions,
  journalCommand,
  journalProbe,
  parseNodeLogQuery,
  serviceLogFiles,
  validateNodeLogQuery,
  type NodeLogQuery,
} from '../plan/node-log-query.ts';
import { getRoute, type Route } from '../route.ts';

export interface NodeLogsOptions {
  readonly isEnabled: boolean;
  readonly allowsQuery: boolean;
  /** `/var/log`. */
  readonly folder: string;
}

const QUERY_MS = 30_000;
const TEXT = 'text/plain; charset=utf-8';
const TYPES: Readonly<Record<string, string>> = {
  '.gz': 'application/gzip',
  '.json': 'application/json',
  '.xz': 'application/x-xz',
  '.journal': 'application/octet-stream',
};

export function nodeLogsRoute(options: NodeLogsOptions): Route {
  return getRoute('logs', exchange => nodeLogs(options, exchange));
}

async function nodeLogs({ isEnabled, allowsQuery, folder }: NodeLogsOptions, exchange: Exchange): Promise<void> {
  if (!isEnabled) throw new HttpError(405, 'logs endpoint is disabled.');
  const { segments, query: params, path } = exchange;
  const { query, errors } = allowsQuery ? parseNodeLogQuery(params) : { query: undefined, errors: [] };
  if (errors.length > 0) throw new HttpError(400, errors.map(String).join(', '));
  let names = segments.slice(1);
  if (query !== undefined) {
    if (names.length > 0) throw new HttpError(406, 'path not allowed in query mode');
    const wrong = validateNodeLogQuery(query);
    if (wrong.length > 0) throw new HttpError(406, wrong.map(String).join(', '));
    if (query.services.length > 0) return queryServices(query, folder, exchange);
    names = (query.files[0] ?? '').split(/[/\\]/).filter(name => name !== '');
  }
  const file = await within(folder, names);
  if (file === undefined) throw new HttpError(404, '404 page not found');
  const found = await stat(file);
  if (found.isDirectory()) return list(file, exchange, path.endsWith('/') || query !== undefined);
  if (!found.isFile()) throw new HttpError(403, `${names.join('/')} is no file`);
  exchange.response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? TEXT, 'content-length': found.size });
  if (exchange.request.method === 'HEAD') exchange.response.end();
  // Logs grow: no more than was promised.
  else if (found.size === 0) exchange.response.end();
  else await pipeline(createReadStream(file, { end: found.size - 1 }), exchange.response);
}

/** Where the names lead, links followed. Undefined: nowhere, or out of the folder. */
async function within(folder: string, names: readonly string[]): Promise<string | undefined> {
  if (names.some(name => name === '..' || name.includes('/') || name.includes('\0'))) return undefined;
  try {
    const [root, file] = await Promise.all([realpath(folder), realpath(join(folder, ...names))]);
    return file === root || file.startsWith(root + sep) ? file : undefined;
  } catch {
    return undefined;
  }
}

/** As Go's file server lists a folder: clients scrape it. */
async function list(folder: string, { response, path }: Exchange, hasSlash: boolean): Promise<void> {
  if (!hasSlash) {
    response.writeHead(301, { location: `${path.split('/').at(-1) ?? ''}/` }).end();
    return;
  }
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.map(entry => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort();
  const links = names.map(
    name => `<a href="${encodeURI(name).replaceAll('#', '%23').replaceAll('?', '%3F')}">${escaped(name)}</a>`,
  );
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
  response.end(
    `<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n${links.join('\n')}\n</pre>\n`,
  );
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&#34;');
}

async function queryServices(query: NodeLogQuery, folder: string, { response, signal }: Exchange): Promise<void> {
  const inJournal: string[] = [];
  const inFiles: string[] = [];
  for (const service of query.services) ((await logsToJournal(service)) ? inJournal : inFiles).push(service);
  response.writeHead(200, { 'content-type': 'text/plain;charset=UTF-8' });
  const write = async (bytes: Buffer): Promise<void> => {
    if (!response.write(bytes) && !response.destroyed) await drained(response);
  };
  if (inJournal.length > 0)
    await streamCommand(journalCommand(query, inJournal), write, { timeoutMs: QUERY_MS, signal });
  if (inFiles.length > 0 && hasOptions(query)) {
    const named = `[${inFiles.join(' ')}]`;
    response.write(`\noptions present and query resolved to log files for ${named}\ntry without specifying options\n`);
  } else for (const service of inFiles) await copyServiceFile(service, folder, response, signal);
  response.end();
}

async function logsToJournal(service: string): Promise<boolean> {
  try {
    return (await run(journalProbe(service), { timeoutMs: QUERY_MS })).stdout.trim() !== '';
  } catch {
    // No journal on this machine, or not for this one.
    return false;
  }
}

async function copyServiceFile(
  service: string,
  folder: string,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  for (const name of serviceLogFiles(service)) {
    const file = await within(folder, name.split('/'));
    if (file === undefined || !(await stat(file)).isFile()) continue;
    await pipeline(createReadStream(file), response, { end: false, signal });
    return;
  }
  response.write(`\nlog not found for ${service}\n`);
}
