/**
 * A client of its own that asks a DNS server at a steady rate, whether answers come or not, and then as fast as they come.
 *
 *   tsx e2e/bench/dns/query-load.ts ADDRESS PORT RATE SECONDS NAME...
 *
 * Every tenth question is for a name that nobody asked before. Prints one line of JSON; times in milliseconds.
 */
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { encodeQuestion } from './encode-question.ts';

export interface LoadFigures {
  /** Questions a second that were sent at the steady rate, and their answers. */
  readonly sent: number;
  readonly lost: number;
  readonly failed: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Answers a second when the next question goes as soon as an answer comes. */
  readonly mostPerSecond: number;
}

const SOCKETS = 8;
const OUTSTANDING = 32;
const NEW_NAME_EVERY = 10;
const SERVFAIL = 2;
const DRAIN_MS = 2_000;

const [address = '127.0.0.1', port = '53', rate = '10000', seconds = '10', ...names] = process.argv.slice(2);

/** One socket and what waits on it, by id. */
class Asker {
  readonly times: number[] = [];
  failed = 0;
  lost = 0;
  private readonly questions: readonly Buffer[];
  private readonly tag: string;
  private readonly socket: Socket;
  private readonly sentAt = new Float64Array(0x10000);
  private id = 0;
  private asked = 0;
  private onAnswer: (() => void) | undefined;

  constructor(questions: readonly Buffer[], tag: string) {
    this.questions = questions;
    this.tag = tag;
    this.socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 4 * 1024 * 1024 });
    this.socket.on('message', message => {
      const id = message.readUInt16BE(0);
      const sent = this.sentAt[id] ?? 0;
      if (sent === 0) return;
      this.sentAt[id] = 0;
      this.times.push(performance.now() - sent);
      if (((message[3] ?? 0) & 15) === SERVFAIL) this.failed++;
      this.onAnswer?.();
    });
  }

  connect(): Promise<void> {
    return new Promise(resolve => this.socket.connect(Number(port), address, () => resolve()));
  }

  ask(): void {
    this.id = (this.id + 1) & 0xffff;
    this.asked++;
    const isNew = this.asked % NEW_NAME_EVERY === 0;
    const question = isNew
      ? encodeQuestion(`x${this.tag}${this.asked}.default.svc.cluster.local`)
      : Buffer.from(this.questions[this.asked % this.questions.length] ?? Buffer.alloc(0));
    question.writeUInt16BE(this.id, 0);
    if ((this.sentAt[this.id] ?? 0) !== 0) this.lost++;
    this.sentAt[this.id] = performance.now();
    this.socket.send(question);
  }

  /** Asks again at each answer. */
  keepAsking(outstanding: number): void {
    this.onAnswer = () => this.ask();
    for (let i = 0; i < outstanding; i++) this.ask();
  }

  stop(): void {
    this.onAnswer = undefined;
  }

  close(): void {
    this.lost += this.sentAt.filter(at => at !== 0).length;
    this.socket.close();
  }
}

const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

async function askers(tag: string): Promise<Asker[]> {
  const questions = names.map(name => encodeQuestion(name));
  const all = Array.from({ length: SOCKETS }, (_, i) => new Asker(questions, `${tag}${i}-`));
  await Promise.all(all.map(asker => asker.connect()));
  return all;
}

async function steadily(): Promise<Omit<LoadFigures, 'mostPerSecond'>> {
  const all = await askers(`${process.pid}a`);
  const [perMs, forMs] = [Number(rate) / 1000, Number(seconds) * 1000];
  const startMs = performance.now();
  let sent = 0;
  while (performance.now() - startMs < forMs) {
    const due = Math.floor((performance.now() - startMs) * perMs);
    for (; sent < due; sent++) all[sent % SOCKETS]?.ask();
    await sleep(1);
  }
  await sleep(DRAIN_MS);
  for (const asker of all) asker.close();
  const times = Float64Array.from(all.flatMap(asker => asker.times)).sort();
  const at = (share: number): number =>
    Number((times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? NaN).toFixed(3));
  return {
    sent: Math.round(sent / Number(seconds)),
    lost: all.reduce((sum, asker) => sum + asker.lost, 0),
    failed: all.reduce((sum, asker) => sum + asker.failed, 0),
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
  };
}

async function asFastAsPossible(): Promise<number> {
  const all = await askers(`${process.pid}b`);
  const startMs = performance.now();
  for (const asker of all) asker.keepAsking(OUTSTANDING / SOCKETS);
  await sleep((Number(seconds) / 2) * 1000);
  const answers = all.reduce((sum, asker) => sum + asker.times.length, 0);
  const perSecond = answers / ((performance.now() - startMs) / 1000);
  for (const asker of all) asker.stop();
  for (const asker of all) asker.close();
  return Math.round(perSecond);
}

// Both sides warm up.
const warm = await askers(`${process.pid}w`);
for (let i = 0; i < 2_000; i++) {
  warm[i % SOCKETS]?.ask();
  if (i % 10 === 0) await sleep(1);
}
await sleep(200);
for (const asker of warm) asker.close();
const steady = await steadily();
const figures: LoadFigures = { ...steady, mostPerSecond: await asFastAsPossible() };
console.log(JSON.stringify(figures));
