/** Why the private containerd cannot serve, in words that say what to do. */
export class ContainerdError extends Error {
  override readonly name = 'ContainerdError';
}
