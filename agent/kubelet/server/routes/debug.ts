/** `/debug/pprof/` and `/debug/flags/v`. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Clock } from '../../../../machinery/process/clock.ts';
import { HttpError, sendText, type Exchange } from '../exchange.ts';
import { encodePprof } from '../profiling/pprof.ts';
import { ProfileInUse, Profiler } from '../profiling/take-profile.ts';
import type { Route } from '../route.ts';

export interface DebugOptions {
  readonly profiling: boolean;
  readonly clock: Clock;
}

const DEFAULT_SECONDS = { profile: 30, heap: 5 } as const;
const MAX_SECONDS = 600;
const INDEX = `/debug/pprof/

heap?seconds=5: what is allocated in that time and held at its end
profile?seconds=30: where processor time goes
cmdline: by which command this process runs

Both are for "go tool pprof". Profiles of goroutines, threads, blocks and mutexes do not exist in Node.js.
`;

export function debugRoute(options: DebugOptions): Route {
  const profiler = new Profiler();
  return { path: 'debug', methods: ['GET', 'HEAD', 'PUT'], handle: exchange => debug(options, profiler, exchange) };
}

async function debug({ profiling, clock }: DebugOptions, profiler: Profiler, exchange: Exchange): Promise<void> {
  const { segments, response, request } = exchange;
  const [, what, which = ''] = segments;
  if (what === 'flags' && which === 'v')
    throw new HttpError(405, 'flags endpoint is disabled: how much is logged is said at start, by --log-level');
  if (what !== 'pprof') throw new HttpError(404, '404 page not found');
  if (!profiling) throw new HttpError(405, 'profiling endpoint is disabled.');
  if (request.method === 'PUT') throw new HttpError(405, 'Method Not Allowed', { allow: 'GET' });
  if (which === '') return sendText(response, 200, INDEX);
  if (which === 'cmdline') return sendText(response, 200, [process.execPath, ...process.argv.slice(1)].join('\0'));
  if (which !== 'profile' && which !== 'heap')
    throw new HttpError(404, `Unknown profile: this is a Node.js process; see /debug/pprof/ for those that it has`);
  await sendProfile(which, profiler, clock, exchange);
}

async function sendProfile(
  which: 'profile' | 'heap',
  profiler: Profiler,
  clock: Clock,
  exchange: Exchange,
): Promise<void> {
  const { query, response, signal } = exchange;
  const text = query.get('seconds') ?? '';
  const seconds = text === '' ? DEFAULT_SECONDS[which] : Number(text);
  if (!(seconds > 0 && seconds <= MAX_SECONDS))
    throw new HttpError(400, `seconds: ${JSON.stringify(text)} is no number between 0 and ${MAX_SECONDS}`);
  try {
    const wait = (): Promise<void> => clock.sleep(seconds * 1000, signal);
    const profile = await (which === 'heap' ? profiler.heap(wait) : profiler.cpu(wait));
    const body = await promisify(gzip)(encodePprof(profile));
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-disposition': `attachment; filename="${which}"`,
    });
    response.end(body);
  } catch (error) {
    if (error instanceof ProfileInUse) throw new HttpError(500, `Could not enable profiling: ${error.message}`);
    throw error;
  }
}
