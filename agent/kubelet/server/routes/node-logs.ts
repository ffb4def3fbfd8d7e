/**
 * `/logs/`: files of the node's log folder, and what its services wrote (`?query=`), if the configuration allows it.
 *
 * Differs: a link that leads out of the folder is not followed.
 */
import { readdir, type FileHandle } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { extname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { drained } from '../../../../machinery/streaming/readable-over-websocket.ts';
import { run } from '../../../host/exec.ts';
import { openFileAt, openInside, openPlace } from '../../../host/files/open-inside.ts';
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
  const place = await placeOf(folder, names);
  if (place === undefined) throw new HttpError(404, '404 page not found');
  try {
    const found = await place.stat();
    if (found.isDirectory()) return await list(place, exchange, path.endsWith('/') || query !== undefined);
    if (!found.isFile()) throw new HttpError(403, `${names.join('/')} is no file`);
    await send(place, extname(names.at(-1) ?? ''), exchange);
  } finally {
    await place.close();
  }
}

/** Where the names lead, links inside of the folder followed. Undefined: nowhere, or out of it. */
function placeOf(folder: string, names: readonly string[]): Promise<FileHandle | undefined> {
  if (names.some(name => name === '..' || name.includes('/') || name.includes('\0'))) return Promise.resolve(undefined);
  return openPlace(folder, names.join('/')).catch(() => undefined);
}

async function send(place: FileHandle, extension: string, { request, response }: Exchange): Promise<void> {
  const file = await openFileAt(place);
  try {
    const { size } = await file.stat();
    response.writeHead(200, { 'content-type': TYPES[extension] ?? TEXT, 'content-length': size });
    // Logs grow: no more than was promised.
    if (request.method === 'HEAD' || size === 0) response.end();
    else await pipeline(file.createReadStream({ end: size - 1, autoClose: false }), response);
  } finally {
    await file.close();
  }
}

/** As Go's file server lists a folder: clients scrape it. */
async function list(folder: FileHandle, { response, path }: Exchange, hasSlash: boolean): Promise<void> {
  if (!hasSlash) {
    response.writeHead(301, { location: `${encodeURIComponent(path.split('/').at(-1) ?? '')}/` }).end();
    return;
  }
  const entries = await readdir(`/proc/self/fd/${folder.fd}`, { withFileTypes: true });
  const names = entries.map(entry => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort();
  const links = names.map(name => `<a href="${referenceTo(name)}">${escaped(name)}</a>`);
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
  response.end(
    `<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n${links.join('\n')}\n</pre>\n`,
  );
}

/** A colon would make a scheme of what stands before it. */
function referenceTo(name: string): string {
  const encoded = encodeURI(name).replaceAll('#', '%23').replaceAll('?', '%3F');
  return name.includes(':') ? `./${encoded}` : encoded;
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
    const file = await openInside(folder, name).catch(() => undefined);
    if (file === undefined) continue;
    try {
      await pipeline(file.createReadStream({ autoClose: false }), response, { end: false, signal });
    } finally {
      await file.close();
    }
    return;
  }
  response.write(`\nlog not found for ${service}\n`);
}
