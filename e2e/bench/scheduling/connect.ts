/** A client of a server under test over HTTP/2, for watches and for what is not timed. */
import { RestClient } from '../../../machinery/client/rest-client.ts';
import { Http2Transport } from '../../pretend-nodes/http2-transport.ts';
import type { Access } from '../api/access.ts';

export interface Connected {
  readonly client: RestClient;
  close(): Promise<void>;
}

export function connectTo({ host, port, tls }: Access): Connected {
  const transport = new Http2Transport({ server: `https://${host}:${port}`, tls });
  return { client: new RestClient(transport, { fieldManager: 'bench' }), close: () => transport.close() };
}
