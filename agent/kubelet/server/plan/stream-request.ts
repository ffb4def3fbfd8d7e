/** What a request for exec, attach or port-forward asks for. Source: kubernetes `pkg/kubelet/server` and `k8s.io/kubelet/pkg/cri/streaming`. Pure. */

/** Whose streams: `/exec/NAMESPACE/POD[/UID]/CONTAINER`. */
export interface StreamSubject {
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string | undefined;
  /** '' for port-forward. */
  readonly container: string;
}

/** @returns undefined for a path that is none */
export function streamSubject(segments: readonly string[]): StreamSubject | undefined {
  const [what, namespace = '', pod = '', ...rest] = segments;
  if (pod === '') return undefined;
  if (what === 'portForward') {
    return rest.length > 1 ? undefined : { namespace, pod, uid: rest[0], container: '' };
  }
  const [first, second] = rest;
  if (first === undefined || rest.length > 2) return undefined;
  return second === undefined
    ? { namespace, pod, uid: undefined, container: first }
    : { namespace, pod, uid: first, container: second };
}

export interface CommandStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** @returns the streams, or what is wrong with the query */
export function commandStreams(query: URLSearchParams): CommandStreams | string {
  const isSet = (...keys: string[]): boolean => keys.some(key => ['1', 'true'].includes(query.get(key) ?? ''));
  const tty = isSet('tty');
  // A terminal has one output.
  const streams = {
    tty,
    stdin: isSet('input', 'stdin'),
    stdout: isSet('output', 'stdout'),
    stderr: isSet('error', 'stderr') && !tty,
  };
  if (!streams.stdin && !streams.stdout && !streams.stderr)
    return 'you must specify at least 1 of stdin, stdout, stderr';
  return streams;
}

const MAX_PORT = 65_535;

/** Ports that the older WebSocket protocol names in its query; SPDY names them in its streams. @returns them, or what is wrong */
export function forwardedPorts(query: URLSearchParams): readonly number[] | string {
  const texts = [...query.getAll('port'), ...query.getAll('ports')].flatMap(text => text.split(','));
  const ports: number[] = [];
  for (const text of texts) {
    const port = /^\d+$/.test(text) ? Number(text) : 0;
    if (port < 1 || port > MAX_PORT) return `port ${JSON.stringify(text)} is no number between 1 and ${MAX_PORT}`;
    ports.push(port);
  }
  return ports;
}
