/**
 * How long a TCP handshake takes, by blocking system calls: `connect-times/main.ts PORT TIMES ADDRESS,ADDRESS...` prints microseconds, one for
 * each connection. Every address is connected to in turn, TIMES times.
 */
import koffi from 'koffi';

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_LINGER = 13;
const WARM_UP = 200;

const libc = koffi.load('libc.so.6');
const openSocket = libc.func('int socket(int domain, int type, int protocol)');
const setOption = libc.func('int setsockopt(int fd, int level, int name, void *value, uint32_t length)');
const connect = libc.func('int connect(int fd, void *address, uint32_t length)');
const close = libc.func('int close(int fd)');

const [port = '0', times = '1', addresses = ''] = process.argv.slice(2);
// A connection ends by a reset, so that no port waits.
const linger = Buffer.from(new Int32Array([1, 0]).buffer);

function sockaddr(ip: string): Buffer {
  const buffer = Buffer.alloc(16);
  buffer.writeUInt16LE(AF_INET, 0);
  buffer.writeUInt16BE(Number(port), 2);
  ip.split('.').forEach((byte, i) => buffer.writeUInt8(Number(byte), 4 + i));
  return buffer;
}

function handshakeUs(address: Buffer, ip: string): number {
  const fd = openSocket(AF_INET, SOCK_STREAM, 0) as number;
  setOption(fd, SOL_SOCKET, SO_LINGER, linger, linger.length);
  const begin = process.hrtime.bigint();
  const code = connect(fd, address, address.length) as number;
  const took = Number(process.hrtime.bigint() - begin) / 1_000;
  close(fd);
  if (code !== 0) throw new Error(`${ip}:${port} does not answer`);
  return took;
}

const targets = addresses.split(',').map(ip => ({ ip, address: sockaddr(ip) }));
const [{ ip, address } = { ip: '', address: sockaddr('127.0.0.1') }] = targets;
for (let i = 0; i < WARM_UP; i++) handshakeUs(address, ip);
const samples: number[] = [];
for (let i = 0; i < Number(times); i++)
  for (const target of targets) samples.push(handshakeUs(target.address, target.ip));
console.log(JSON.stringify(samples));
