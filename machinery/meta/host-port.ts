/** `10.0.0.1:80`, `name:80` or `[fd00::1]:80`: as URLs and messages name an endpoint. */
export function hostPort(host: string, port: number | string): string {
  return `${urlHost(host)}:${port}`;
}

/** A host as URLs have it: an IPv6 address in brackets, anything else as it is. */
export function urlHost(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}
