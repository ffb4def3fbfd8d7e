/** When a starting node may say that it is up: its Node is Ready, and DNS answers where pods ask it. */
import { createSocket } from 'node:dgram';
import { encodeQuery } from '../../agent/dns/plan/encode-query.ts';
import type { Informer } from '../../machinery/client/informer.ts';
import type { Node } from '../../proto/api/core-v1.ts';

function isReady(node: Node): boolean {
  return node.status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True') === true;
}

/** @throws the signal's reason when it aborts */
export function nodeIsReady(informer: Informer<Node>, nodeName: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (node: Node): void => {
      if (node.metadata.name !== nodeName || !isReady(node)) return;
      signal.removeEventListener('abort', stop);
      queueMicrotask(() => remove());
      resolve();
    };
    const stop = (): void => {
      remove();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', stop, { once: true });
    const remove = informer.addHandler({ onAdd: look, onUpdate: (_older, newer) => look(newer) });
  });
}

const TRY_MS = 50;

/** Asks until an answer without error comes. */
export function dnsAnswers(address: string, name: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    const query = encodeQuery(1, name, address.includes(':') ? 'AAAA' : 'A');
    const timer = setInterval(() => socket.send(query, 53, address, () => undefined), TRY_MS);
    const finish = (settle: () => void): void => {
      clearInterval(timer);
      signal.removeEventListener('abort', stop);
      socket.close();
      settle();
    };
    const stop = (): void => finish(() => reject(signal.reason as Error));
    signal.addEventListener('abort', stop, { once: true });
    socket.on('error', () => undefined);
    socket.on('message', (answer: Buffer) => {
      // Low four bits of the fourth byte: the response code; bytes 6 and 7: how many answers.
      if (((answer[3] ?? 15) & 15) === 0 && answer.readUInt16BE(6) > 0) finish(resolve);
    });
  });
}
