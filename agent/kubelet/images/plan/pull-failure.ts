/**
 * What a pull that failed is called, and what is told of it: the runtime's own words first, as upstream has them, then what they mean
 * for whoever reads them and what to do next.
 *
 * The runtime gives text alone: what is read out of it is advice, and decides nothing but the two reasons that CRI defines by prefix.
 * Source: kubernetes 1.36 `pkg/kubelet/images/image_manager.go` (evalCRIPullErr), `cri-api/pkg/errors`.
 */

export type PullFailureReason = 'ErrImagePull' | 'RegistryUnavailable' | 'SignatureValidationFailed';

export interface PullFailureInput {
  /** As the pod names it. */
  readonly image: string;
  /** Host and port that its name says. */
  readonly registry: string;
  /** What the runtime said, and gRPC's code for it. */
  readonly code: string;
  readonly detail: string;
  /** Where the credentials came from that were tried, in words: `secret team/key`. */
  readonly tried: readonly string[];
  /** What kept credentials from being tried, in sentences without a point. */
  readonly problems: readonly string[];
  /** The image is on the node, and the pod wants it pulled anyway. */
  readonly isPresent: boolean;
}

export interface PullFailure {
  readonly reason: PullFailureReason;
  /** For the container's status. */
  readonly message: string;
  /** For the event. */
  readonly event: string;
}

export function pullFailure(input: PullFailureInput): PullFailure {
  const words = runtimeWords(input);
  const more = [meaning(input), ...input.problems, presence(input)].filter(text => text !== '');
  const hint = more.length === 0 ? '' : ` (${more.join('; ')})`;
  const event = `Failed to pull image "${input.image}": ${words}${hint}`;
  const rest = (prefix: string): string => words.slice(prefix.length) + hint;
  if (words.startsWith('RegistryUnavailable')) {
    const message = `image pull failed for ${input.image} because the registry is unavailable${rest('RegistryUnavailable')}`;
    return { reason: 'RegistryUnavailable', message, event };
  }
  if (words.startsWith('SignatureValidationFailed')) {
    const message = `image pull failed for ${input.image} because the signature validation failed${rest('SignatureValidationFailed')}`;
    return { reason: 'SignatureValidationFailed', message, event };
  }
  return { reason: 'ErrImagePull', message: words + hint, event };
}

/** gRPC's form, unless the code says nothing. */
function runtimeWords({ code, detail }: PullFailureInput): string {
  return code === 'Unknown' || code === '' ? detail : `rpc error: code = ${code} desc = ${detail}`;
}

interface Sign {
  readonly pattern: RegExp;
  readonly means: (input: PullFailureInput) => string;
}

/** The first that fits. */
const SIGNS: readonly Sign[] = [
  {
    pattern: /x509|certificate|tls: /i,
    means: ({ registry }) =>
      `this node does not trust the certificate of ${registry}: name the authority that signed it as "ca" under [host."https://${registry}"] in registries/${registry}/hosts.toml`,
  },
  {
    pattern: /server gave HTTP response to HTTPS client/i,
    means: ({ registry }) =>
      `${registry} speaks plain HTTP: allow that with [host."http://${registry}"] in registries/${registry}/hosts.toml`,
  },
  { pattern: /\b401\b|unauthorized|authorization failed|authentication required|no basic auth/i, means: refused },
  { pattern: /\b403\b|forbidden|access denied|\bdenied\b/i, means: refused },
  {
    pattern: /\b429\b|too ?many ?requests/i,
    means: ({ registry }) =>
      `${registry} has had too many requests: log in with imagePullSecrets, or use a mirror in registries/${registry}/hosts.toml`,
  },
  {
    pattern: /connection refused/i,
    means: ({ registry }) =>
      `nothing listens there: is ${registry} the right host and port, and does the registry run?`,
  },
  {
    pattern: /no such host|server misbehaving|name resolution/i,
    means: ({ registry }) => `this node cannot resolve the name of ${registry}: check the name, and the node's DNS`,
  },
  {
    pattern: /i\/o timeout|no route to host|network is unreachable|timed? ?out/i,
    means: ({ registry }) =>
      `${registry} does not answer this node: check the network, firewalls and proxies between them`,
  },
  {
    pattern: /no match for platform/i,
    means: () => "the image is not made for this node's processor",
  },
  { pattern: /no space left on device/i, means: () => "the disk that keeps this node's images is full" },
  {
    pattern: /not found|manifest unknown|name unknown/i,
    means: ({ registry, image }) =>
      `${registry} has no such image: check name and ${image.includes('@') ? 'digest' : 'tag'}`,
  },
  {
    pattern: /\b50[0234]\b|internal server error|bad gateway|service unavailable/i,
    means: ({ registry }) => `${registry} fails itself: see its log`,
  },
];

function meaning(input: PullFailureInput): string {
  return SIGNS.find(({ pattern }) => pattern.test(input.detail))?.means(input) ?? '';
}

function refused({ registry, tried, problems }: PullFailureInput): string {
  if (tried.length > 0)
    return `${registry} does not let in ${tried.join(', ')}: are user and password right, and may it pull this image?`;
  const none = `no credentials for ${registry} were found`;
  if (problems.length > 0) return none;
  return `${none}: make a Secret of type kubernetes.io/dockerconfigjson and name it in imagePullSecrets of the pod or its service account`;
}

function presence({ isPresent }: PullFailureInput): string {
  return isPresent ? 'the image is on the node, but imagePullPolicy Always wants it asked for at each start' : '';
}
