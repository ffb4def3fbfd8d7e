/**
 * Image names as people write them, and as registries and runtimes want them: with domain and tag.
 * Source: the grammar of distribution/reference.
 */

const DOMAIN_COMPONENT = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = `(?:${DOMAIN_COMPONENT}(?:\\.${DOMAIN_COMPONENT})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const PATH_COMPONENT = '[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*';
const NAME = `(?:${DOMAIN}/)?${PATH_COMPONENT}(?:/${PATH_COMPONENT})*`;
const REFERENCE = new RegExp(
  `^(${NAME})(?::([\\w][\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`,
);

/** A name taken apart. */
export interface ImageName {
  /** `docker.io` if none was given. */
  readonly domain: string;
  /** `library/busybox`. */
  readonly path: string;
  /** `latest` if neither tag nor digest was given. */
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

/** @returns undefined for what is no image name */
export function parseImageName(text: string): ImageName | undefined {
  const match = REFERENCE.exec(text);
  if (match === null) return undefined;
  const [, name = '', tag, digest] = match;
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const hasDomain =
    first.includes('.') || first.includes(':') || first === 'localhost' || first !== first.toLowerCase();
  const domain = hasDomain ? (first === 'index.docker.io' ? 'docker.io' : first) : 'docker.io';
  let path = hasDomain ? name.slice(slash + 1) : name;
  if (domain === 'docker.io' && !path.includes('/')) path = `library/${path}`;
  return { domain, path, tag: tag ?? (digest === undefined ? 'latest' : undefined), digest };
}

/** `docker.io/library/busybox:latest`; a digest wins over a tag. */
export function fullImageName({ domain, path, tag, digest }: ImageName): string {
  if (digest !== undefined) return `${domain}/${path}@${digest}`;
  return `${domain}/${path}:${tag ?? 'latest'}`;
}

/** `docker.io/library/busybox`: without tag and digest. */
export function repositoryOf({ domain, path }: ImageName): string {
  return `${domain}/${path}`;
}

/** Whether it is an image's id, as runtimes give it, and no name. */
export function isImageId(text: string): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}
