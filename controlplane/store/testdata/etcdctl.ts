/** etcd's own command line, for what a client of ours never does. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** @returns what it prints @throws when it fails */
export async function etcdctl(endpoint: string, args: readonly string[]): Promise<string> {
  const env = { PATH: process.env['PATH'], ETCDCTL_API: '3' };
  const { stdout } = await promisify(execFile)('etcdctl', ['--endpoints', endpoint, ...args], { env, timeout: 20_000 });
  return stdout;
}
