/**
 * The kubelet's API put together: what is served, to whom, on which ports, as the configuration says.
 */
import { join } from 'node:path';
import type { Client } from '../../../machinery/client/client.ts';
import type { KeyPair } from '../../../machinery/pki/certificate.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Component } from '../../../machinery/process/component.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { MetricsRegistry } from '../../../machinery/process/metrics.ts';
import { durationMs, type KubeletConfiguration } from '../config/plan/kubelet-configuration.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import { Authenticator } from './auth/authenticator.ts';
import { Gatekeeper } from './auth/gatekeeper.ts';
import { NodeAuthorizer } from './auth/node-authorizer.ts';
import { HttpError } from './exchange.ts';
import { HttpMetrics } from './http-metrics.ts';
import { KubeletServer } from './kubelet-server.ts';
import { PlainServer } from './plain-server.ts';
import type { PodAccess } from './pod-access.ts';
import { RequestHandler } from './request-handler.ts';
import type { Route } from './route.ts';
import { aboutRoutes } from './routes/about.ts';
import { checkpointRoute } from './routes/checkpoint.ts';
import { containerLogsRoute } from './routes/container-logs.ts';
import { debugRoute } from './routes/debug.ts';
import { healthRoute } from './routes/health.ts';
import { nodeLogsRoute } from './routes/node-logs.ts';
import { podsRoute, runningPodsRoute } from './routes/pods.ts';
import { reportRoutes, type Reports } from './routes/reports.ts';
import { runRoute } from './routes/run.ts';
import { streamRoutes } from './routes/streams.ts';
import { ServingTls } from './serving-tls.ts';

export interface KubeletApiOptions {
  /** Asked whose tokens are whose, and who may do what. */
  readonly client: Client;
  readonly nodeName: string;
  readonly configuration: KubeletConfiguration;
  /** The certificate that is good now, for when the configuration names no files. */
  readonly serving: () => KeyPair;
  /** PEM of the authority of those who come with certificates, for when the configuration names no file. */
  readonly clientCaPem: string;
  readonly access: PodAccess;
  readonly runtime: RuntimeService;
  /** `/metrics`, `/stats/summary` and more of the kind. */
  readonly reports: Reports;
  readonly metrics: MetricsRegistry;
  /** Undefined when the node is healthy, else what ails it. */
  readonly health: () => string | undefined;
  /** The kubelet's own folder. */
  readonly root: string;
  /** Of Kubernetes: `v1.36.0`. */
  readonly version: string;
  /** Options that the process was started with, by name; none of them secret. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface KubeletApi {
  /** One for each port. */
  readonly servers: readonly Component[];
  /** Shows new connections the certificate that is good now. */
  renewCertificate(): void;
}

const NODE_LOGS = '/var/log';
const DEBUGGING = ['run', 'exec', 'attach', 'portForward', 'containerLogs', 'runningpods', 'debug', 'logs'];
const EVERY_METHOD = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Builds it; nothing listens until the servers run. @throws Error when certificate files cannot be read */
export function createKubeletApi(options: KubeletApiOptions): KubeletApi {
  const { client, nodeName, configuration: c, serving, clientCaPem, logger } = options;
  const metrics = new HttpMetrics(options.metrics);
  const health = healthRoute(options.health);
  const open = openRoutes(options, health);
  const servers: Component[] = [];
  let secure: KubeletServer | undefined;
  if (c.enableServer) {
    const gatekeeper = new Gatekeeper(
      new Authenticator(client, c.authentication),
      new NodeAuthorizer(client, nodeName, c.authorization),
      logger,
    );
    const routes: Route[] = [...open, ...(c.enableDebuggingHandlers ? debuggingRoutes(options) : disabledRoutes())];
    const about = aboutRoutes({ ...options, paths: () => [...routes, ...about].map(({ path }) => `/${path}`) });
    const handler = new RequestHandler({
      routes: c.enableDebuggingHandlers ? [...routes, ...about] : routes,
      serverType: 'readwrite',
      permit: exchange => gatekeeper.permit(exchange),
      metrics,
      logger,
    });
    const tls = new ServingTls({ configuration: c, pair: serving, clientCaPem, logger });
    secure = new KubeletServer({ host: c.address, port: c.port, tls, handler });
    servers.push(secure);
  }
  const plain = (name: string, host: string, port: number, routes: readonly Route[]): void => {
    if (port === 0) return;
    const handler = new RequestHandler({ routes, serverType: 'readonly', metrics, logger });
    servers.push(new PlainServer({ name, host, port, setting: `${name} of the kubelet's configuration`, handler }));
  };
  plain('healthzPort', c.healthzBindAddress, c.healthzPort, [health]);
  plain('readOnlyPort', c.address, c.readOnlyPort, open);
  return { servers, renewCertificate: () => secure?.renewCertificate() };
}

/** What the read-only port serves as well. */
function openRoutes({ access, reports }: KubeletApiOptions, health: Route): Route[] {
  return [health, podsRoute(access), ...reportRoutes(reports)];
}

function debuggingRoutes(options: KubeletApiOptions): Route[] {
  const { access, runtime, clock, logger, configuration: c } = options;
  return [
    runningPodsRoute(access),
    containerLogsRoute(access, clock),
    ...streamRoutes({ access, runtime, idleMs: durationMs(c.streamingConnectionIdleTimeout), logger }),
    runRoute(access, runtime),
    checkpointRoute({ access, runtime, clock, folder: join(options.root, 'checkpoints') }),
    nodeLogsRoute({ isEnabled: c.enableSystemLogHandler, allowsQuery: c.enableSystemLogQuery, folder: NODE_LOGS }),
    debugRoute({ profiling: c.enableProfilingHandler, clock }),
  ];
}

function disabledRoutes(): Route[] {
  const handle = (): never => {
    throw new HttpError(405, 'Debug endpoints are disabled.');
  };
  return DEBUGGING.map(path => ({ path, methods: EVERY_METHOD, handle }));
}
