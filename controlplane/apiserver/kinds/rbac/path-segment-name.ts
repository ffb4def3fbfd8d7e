/** Names that only have to fit into a URL: `system:node`, `system:controller:job-controller`. Source: apimachinery `api/validation/path`. */
export function pathSegmentName(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`];
  return ['/', '%'].filter(char => name.includes(char)).map(char => `may not contain '${char}'`);
}
