/** Name servers of a resolv.conf(5), in order, without duplicates and without those that are ourselves. */
export function upstreamsOf(text: string, own: readonly string[]): string[] {
  const servers: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, address, ...rest] = line.trim().split(/\s+/);
    if (keyword !== 'nameserver' || address === undefined || (rest.length > 0 && !/^[#;]/.test(rest[0] ?? '')))
      continue;
    if (/^[0-9a-fA-F.:]+(%\w+)?$/.test(address) && !own.includes(address) && !servers.includes(address))
      servers.push(address);
  }
  return servers.slice(0, 3);
}
