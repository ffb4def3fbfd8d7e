/**
 * A DNS server that stands for any other than ours: every question has one answer.
 *
 *   tsx e2e/dns/stand-in/main.ts ADDRESS PORT ANSWER
 */
import { createSocket } from 'node:dgram';

const [address = '127.0.0.1', port = '5353', answer = '192.0.2.53'] = process.argv.slice(2);

const socket = createSocket('udp4');
socket.on('message', (query, from) => {
  const end = query.indexOf(0, 12) + 5;
  const header = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...answer.split('.').map(Number)]);
  socket.send(Buffer.concat([header, query.subarray(12, end), record]), from.port, from.address);
});
socket.bind(Number(port), address, () => console.log('listening'));
