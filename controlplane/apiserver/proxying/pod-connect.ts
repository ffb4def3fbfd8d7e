/**
 * pods/log, exec, attach and portforward: asked of the kubelet that runs the pod.
 * Source: kubernetes `pkg/registry/core/pod/{strategy,rest}`.
 */
import { parsePodLogOptions } from '../../../machinery/meta/pod-log-options.ts';
import { badRequest, internalError, invalid, StatusError } from '../../../machinery/meta/status-error.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { allowOrForbid, type Authorizer } from '../authz/authorizer.ts';
import type { Subresource } from '../registry/resource-set.ts';
import type { Exchange } from '../server/exchange.ts';
import { isTrue } from '../server/request-info.ts';
import type { Response } from '../server/request.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import { kubeletAddress } from './kubelet-address.ts';
import { forwardRequest, proxyRequest, type Target } from './proxy-request.ts';
import { answerOverWebSocket, wantsWebSocket } from './websocket-stream.ts';
import {
  portForwardToSpdy,
  remoteCommandToSpdy,
  speaksRemoteCommandV5,
  tunnelsPortForward,
} from './websocket-to-spdy.ts';

export interface KubeletClient {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  readonly ca?: string | undefined;
}

export interface PodConnectOptions {
  readonly pods: ResourceStorage<Pod>;
  readonly nodes: ResourceStorage<Node>;
  readonly authorizer: Authorizer;
  readonly kubelet: KubeletClient | undefined;
}

const LOG_PARAMETERS = [
  'follow',
  'previous',
  'sinceSeconds',
  'sinceTime',
  'timestamps',
  'tailLines',
  'limitBytes',
  'stream',
];
/** More of a kubelet's words than that is no message. */
const MAX_REFUSAL_CHARS = 2_000;
const EMPTY: Response = { kind: 'bytes', status: 200, contentType: 'text/plain', body: '' };

export function podConnectSubresources(options: PodConnectOptions): Subresource[] {
  return [
    {
      name: 'attach',
      kind: 'PodAttachOptions',
      verbs: ['create', 'get'],
      handle: exchange => stream(options, exchange, 'attach'),
    },
    {
      name: 'exec',
      kind: 'PodExecOptions',
      verbs: ['create', 'get'],
      handle: exchange => stream(options, exchange, 'exec'),
    },
    { name: 'log', kind: 'Pod', verbs: ['get'], handle: exchange => log(options, exchange) },
    {
      name: 'portforward',
      kind: 'PodPortForwardOptions',
      verbs: ['create', 'get'],
      handle: exchange => portForward(options, exchange),
    },
  ];
}

async function targetOf({ nodes, kubelet }: PodConnectOptions, pod: Pod, path: string): Promise<Target> {
  const address = await kubeletAddress(nodes, pod.spec?.nodeName ?? '');
  return { scheme: 'https', ...address, path, cert: kubelet?.cert, key: kubelet?.key, ca: kubelet?.ca };
}

async function log(options: PodConnectOptions, exchange: Exchange): Promise<Response> {
  const { namespace, name } = exchange.info;
  const { object: pod } = await options.pods.get(namespace, name);
  const { query } = exchange.request;
  const container = chosenContainer(pod, query.get('container') ?? '');
  if (!pod.spec?.nodeName) return EMPTY;
  const { errors } = parsePodLogOptions(query);
  if (errors.length > 0) throw invalid({ group: '', kind: 'PodLogOptions' }, name, errors);
  const passed = new URLSearchParams();
  for (const parameter of LOG_PARAMETERS) {
    const value = query.get(parameter);
    if (value !== null && value !== '') passed.set(parameter, value);
  }
  const text = passed.toString();
  const path = `/containerLogs/${namespace}/${name}/${container}${text === '' ? '' : `?${text}`}`;
  const checked = await targetOf(options, pod, path);
  const target = isTrue(query.get('insecureSkipTLSVerifyBackend')) ? { ...checked, ca: undefined } : checked;
  if (!wantsWebSocket(exchange.request)) return refusalAsStatus(await proxyRequest(exchange.request, target));
  const answer = await refusalAsStatus(await forwardRequest(exchange.request, target));
  return answer.kind === 'stream' ? answerOverWebSocket(exchange.request, answer.body) : answer;
}

/** A kubelet refuses in plain words; kubectl shows those of a Status alone. */
async function refusalAsStatus(response: Response): Promise<Response> {
  if (response.kind !== 'stream' || response.status < 300) return response;
  let text = '';
  response.body.setEncoding('utf8');
  for await (const chunk of response.body) {
    text += String(chunk);
    if (text.length > MAX_REFUSAL_CHARS) break;
  }
  text = text.trim();
  if (response.status === 400) throw badRequest(text);
  if (response.status === 404) throw new StatusError('NotFound', 404, text);
  throw internalError(new Error(text === '' ? `the kubelet answered ${response.status}` : text));
}

async function stream(options: PodConnectOptions, exchange: Exchange, what: 'exec' | 'attach'): Promise<Response> {
  const pod = await connectablePod(options, exchange);
  const { namespace, name } = exchange.info;
  const { query } = exchange.request;
  const container = chosenContainer(pod, query.get('container') ?? '');
  const passed = new URLSearchParams();
  if (isTrue(query.get('stdin'))) passed.set('input', '1');
  if (isTrue(query.get('stdout'))) passed.set('output', '1');
  if (isTrue(query.get('stderr'))) passed.set('error', '1');
  if (isTrue(query.get('tty'))) passed.set('tty', '1');
  if (what === 'exec') for (const word of query.getAll('command')) passed.append('command', word);
  if (passed.size === 0 || (what === 'exec' && !passed.has('command')))
    throw badRequest('you must specify at least 1 of stdin, stdout, stderr');
  const target = await targetOf(options, pod, `/${what}/${namespace}/${name}/${container}?${passed.toString()}`);
  if (!speaksRemoteCommandV5(exchange.request)) return proxyRequest(exchange.request, target);
  return remoteCommandToSpdy(exchange.request, target, {
    stdin: passed.has('input'),
    stdout: passed.has('output'),
    stderr: passed.has('error'),
    tty: passed.has('tty'),
  });
}

async function portForward(options: PodConnectOptions, exchange: Exchange): Promise<Response> {
  const pod = await connectablePod(options, exchange);
  const { namespace, name } = exchange.info;
  const ports = exchange.request.query.getAll('ports').flatMap(p => p.split(','));
  const query = ports.map(port => `port=${encodeURIComponent(port)}`).join('&');
  const path = `/portForward/${namespace}/${name}${query === '' ? '' : `?${query}`}`;
  const target = await targetOf(options, pod, path);
  return tunnelsPortForward(exchange.request)
    ? portForwardToSpdy(exchange.request, target)
    : proxyRequest(exchange.request, target);
}

async function connectablePod({ pods, authorizer }: PodConnectOptions, exchange: Exchange): Promise<Pod> {
  const { info, user } = exchange;
  // WebSockets come as GET; running a command takes the right to create all the same.
  if (info.verb === 'get') await allowOrForbid(authorizer, { ...info, user, verb: 'create' });
  const { object: pod } = await pods.get(info.namespace, info.name);
  if (exchange.request.upgrade === undefined) throw badRequest('Upgrade request required');
  if (!pod.spec?.nodeName) throw badRequest(`pod ${info.name} does not have a host assigned`);
  return pod;
}

function chosenContainer(pod: Pod, asked: string): string {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const name = pod.metadata.name ?? '';
  if (asked === '') {
    if (containers.length === 1) return containers[0]?.name ?? '';
    const inits =
      initContainers.length > 0 ? ` or one of the init containers: [${initContainers.map(c => c.name).join(' ')}]` : '';
    throw badRequest(
      `a container name must be specified for pod ${name}, choose one of: [${containers.map(c => c.name).join(' ')}]${inits}`,
    );
  }
  const known = [...containers, ...initContainers, ...ephemeralContainers].some(c => c.name === asked);
  if (!known) throw badRequest(`container ${asked} is not valid for pod ${name}`);
  return asked;
}
