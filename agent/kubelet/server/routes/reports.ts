/** Usage and metrics: made when somebody asks. */
import { HttpError, type Exchange } from '../exchange.ts';
import { getRoute, type Route } from '../route.ts';

/** What to answer to a GET, by path; given the query. */
export type Reports = Readonly<Record<string, (query: URLSearchParams) => Promise<{ type: string; text: string }>>>;

export function reportRoutes(reports: Reports): Route[] {
  const paths = new Set(
    Object.keys(reports).map(path => (path.startsWith('/metrics/') ? path.slice(1) : (path.split('/')[1] ?? ''))),
  );
  return [...paths].map(path => getRoute(path, exchange => report(exchange, reports)));
}

async function report({ path, query, response }: Exchange, reports: Reports): Promise<void> {
  const make = reports[path.replace(/\/$/, '')];
  if (make === undefined) throw new HttpError(404, '404 page not found');
  const { type, text } = await make(query);
  response.writeHead(200, { 'content-type': type }).end(text);
}
