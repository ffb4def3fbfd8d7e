/** A TCP connection that begins in a host's network and ends here. */
import { spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { Host } from './host.ts';
import { inNamespace } from './network-namespace.ts';

const JOIN =
  'const s=require("net").connect(+process.argv[1],process.argv[2]);s.on("error",()=>process.exit(1));process.stdin.pipe(s);s.pipe(process.stdout)';

export function wireTo(host: Host, port: number, address = host.address): Duplex {
  const [file = '', ...args] = inNamespace(host.namespace, [process.execPath, '-e', JOIN, String(port), address]);
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const wire = Duplex.from({ writable: child.stdin, readable: child.stdout });
  wire.once('close', () => child.kill('SIGKILL'));
  wire.on('error', () => child.kill('SIGKILL'));
  return wire;
}

export function tlsTo(host: Host, port: number, options: ConnectionOptions): TLSSocket {
  return connectTls({ ...options, socket: wireTo(host, port), rejectUnauthorized: false });
}
