/**
 * Asks a DNS server for the address of a name at short intervals, each time from a port of its own as resolvers do, until told to end.
 * Then prints as JSON how often each answer came, and how many questions had none within a second.
 *
 *   tsx e2e/dns/asker/main.ts SERVER NAME INTERVAL_MS
 */
import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeQuestion } from '../../bench/dns/encode-question.ts';

const [server = '', name = '', interval = '10'] = process.argv.slice(2);
const PATIENCE_MS = 1_000;
const seen: Record<string, number> = {};
let lost = 0;
let isOver = false;

function ask(): Promise<void> {
  return new Promise(resolve => {
    const socket = createSocket('udp4');
    const finish = (answer: string | undefined): void => {
      clearTimeout(timer);
      socket.removeAllListeners().on('error', () => undefined);
      socket.close();
      if (answer === undefined) lost++;
      else seen[answer] = (seen[answer] ?? 0) + 1;
      resolve();
    };
    const timer = setTimeout(() => finish(undefined), PATIENCE_MS);
    socket.on('error', () => finish(undefined));
    // The one answer's address comes last.
    socket.on('message', bytes => finish((bytes[3] ?? 15) % 16 === 0 ? bytes.subarray(-4).join('.') : 'failed'));
    socket.on('connect', () => socket.send(encodeQuestion(name)));
    socket.connect(53, server);
  });
}

process.on('SIGINT', () => (isOver = true));
console.log('asking');
const under: Promise<void>[] = [];
while (!isOver) {
  under.push(ask());
  await sleep(Number(interval));
}
await Promise.all(under);
console.log(JSON.stringify({ seen, lost }));
