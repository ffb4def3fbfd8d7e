/**
 * One member of etcd: a connection that is made when it is needed, and calls on it. Knows nothing of other members and tries nothing twice.
 *
 * - Connecting and calling are two steps: what failed to connect has surely not been sent.
 * - Each new connection reads the certificates anew and asks the member who it is.
 */
import {
  Client,
  connectivityState,
  credentials,
  Metadata,
  type ChannelCredentials,
  type ClientDuplexStream,
  type ServiceError,
} from '@grpc/grpc-js';
import type { Decoded } from '../../../proto/decoded.ts';
import {
  MaintenanceService,
  WatchService,
  type WatchRequest,
  type WatchResponse,
} from '../../../proto/etcd/rpc.gen.ts';
import { EtcdError, etcdError } from './etcd-error.ts';
import type { TlsFiles } from './tls-files.ts';

const CONNECT_MS = 2_000;
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
/** etcd hangs up on whoever pings more often than every 5 s. */
const KEEPALIVE_MS = 10_000;
const KEEPALIVE_ANSWER_MS = 3_000;

const OPTIONS = {
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_ANSWER_MS,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_channelz': 0,
  'grpc.service_config': '{}',
};

/** A unary call as generated code defines it. */
export interface UnaryMethod<Req, Res> {
  readonly path: string;
  readonly requestSerialize: (value: Req) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Res;
}

/** Who a member said it is. */
export interface Member {
  /** Of the cluster that it belongs to. */
  readonly clusterId: string;
  /** `3.4.23`. */
  readonly version: string;
  /** Alarms and the like, in etcd's words. */
  readonly problems: readonly string[];
}

/** A connection that stands. */
export interface Connection {
  readonly client: Client;
  readonly member: Member;
}

export class Endpoint {
  /** As the user wrote it, without a slash at the end. */
  readonly url: string;
  private readonly target: string;
  private readonly tls: TlsFiles | undefined;
  private connection: Connection | undefined;
  private connecting: Promise<Connection> | undefined;
  private closed = false;

  /** @param tls absent for plain HTTP */
  constructor(url: string, tls: TlsFiles | undefined) {
    this.url = url.replace(/\/$/, '');
    const { hostname, port } = new URL(url);
    this.target = `${hostname}:${port === '' ? '2379' : port}`;
    this.tls = tls;
  }

  /** @throws EtcdError silent when the member cannot be reached; StoreUnavailableError for certificates that cannot be used */
  connect(): Promise<Connection> {
    const { connection } = this;
    if (connection?.client.getChannel().getConnectivityState(false) === connectivityState.READY) {
      return Promise.resolve(connection);
    }
    this.connecting ??= this.dial().finally(() => (this.connecting = undefined));
    return this.connecting;
  }

  /** @throws EtcdError */
  unary<Req, Res>(
    { client }: Connection,
    method: UnaryMethod<Req, Res>,
    request: Req,
    deadlineMs: number,
  ): Promise<Decoded<Res>> {
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        requiringLeader(),
        { deadline: Date.now() + deadlineMs },
        (error: ServiceError | null, response?: Res) => {
          if (error !== null) return reject(etcdError(error, this.url));
          // Generated decoders fill in every default; that is what Decoded says.
          resolve(response as Decoded<Res>);
        },
      );
    });
  }

  /** A stream of watches; whoever opened it cancels it. */
  watch({ client }: Connection): ClientDuplexStream<WatchRequest, WatchResponse> {
    const { path, requestSerialize, responseDeserialize } = WatchService.watch;
    return client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, requiringLeader());
  }

  close(): void {
    this.closed = true;
    this.connection?.client.close();
    this.connection = undefined;
  }

  private async dial(): Promise<Connection> {
    this.connection?.client.close();
    this.connection = undefined;
    const client = new Client(this.target, this.credentials(), OPTIONS);
    try {
      await settled(client, Date.now() + CONNECT_MS);
      // Where there is no connection, this call says why.
      const told = await this.ask(client);
      if (this.closed) throw new EtcdError('silent', `${this.url}: closed`);
      this.connection = { client, member: told };
      return this.connection;
    } catch (error) {
      client.close();
      const failed = etcdError(error, this.url);
      throw failed.failure === 'dropped' ? new EtcdError('silent', failed.message, failed.cause) : failed;
    }
  }

  private async ask(client: Client): Promise<Member> {
    const nobody: Member = { clusterId: '', version: '', problems: [] };
    const told = await this.unary({ client, member: nobody }, MaintenanceService.status, {}, CONNECT_MS);
    return { clusterId: told.header?.clusterId ?? '', version: told.version, problems: told.errors };
  }

  private credentials(): ChannelCredentials {
    return this.tls === undefined ? credentials.createInsecure() : this.tls.current();
  }
}

/** A member that has lost its leader says so instead of waiting for one. */
function requiringLeader(): Metadata {
  const metadata = new Metadata();
  metadata.set('hasleader', 'true');
  return metadata;
}

/** Resolves when the channel is ready or has failed once. */
async function settled(client: Client, deadline: number): Promise<void> {
  const channel = client.getChannel();
  for (;;) {
    const state = channel.getConnectivityState(true);
    if (state === connectivityState.READY || state === connectivityState.TRANSIENT_FAILURE) return;
    await new Promise<void>((resolve, reject) =>
      channel.watchConnectivityState(state, deadline, error =>
        error === undefined ? resolve() : reject(new Error(`no connection within ${CONNECT_MS / 1000} s`)),
      ),
    );
  }
}
