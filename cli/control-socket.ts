/**
 * How the command talks to a running k8ts on the same machine: HTTP over a unix socket that only root can open.
 *
 * `GET /status` answers DaemonStatus; `POST /stop` begins an orderly stop; what parts answer besides stands in `Questions`. The socket's
 * existence proves nothing; an answer does.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, request, type Server, type ServerResponse } from 'node:http';
import { errorText } from '../machinery/meta/error-text.ts';
import { aborted } from '../machinery/process/aborted.ts';
import type { Component } from '../machinery/process/component.ts';
import type { Step } from './progress.ts';

export interface DaemonStatus {
  version: string;
  pid: number;
  /** What was started: `up`, `server` or `agent`. */
  role: string;
  phase: 'starting' | 'running' | 'stopping' | 'failed';
  startedAt: string;
  uptimeSeconds: number;
  nodeName?: string | undefined;
  apiServer?: string | undefined;
  clusterDns?: string | undefined;
  kubeconfig?: string | undefined;
  containerRuntime?: string | undefined;
  /** Which packet filter forwards services, and why that. */
  proxyMode?: string | undefined;
  steps: Step[];
}

/** What parts of the process answer, by path: `proxy/check`. A throw is told to whoever asked. */
export type Questions = Map<string, (parameters: URLSearchParams) => Promise<object>>;

/** What a part could not answer. */
export class QuestionError extends Error {
  override readonly name = 'QuestionError';
}

/** Reading ten thousand services' rules takes a while. */
const QUESTION_MS = 60_000;

export class ControlSocket implements Component {
  readonly name = 'control-socket';
  private readonly path: string;
  private readonly status: () => DaemonStatus;
  private readonly stop: () => void;
  private readonly questions: Questions;
  private readonly server: Server;
  private readonly listening: Promise<void>;

  constructor(path: string, status: () => DaemonStatus, questions: Questions, stop: () => void) {
    this.path = path;
    this.status = status;
    this.questions = questions;
    this.stop = stop;
    this.server = createServer((req, res) => {
      if (req.method === 'GET' && req.url === '/status') {
        res.setHeader('content-type', 'application/json');
        res.end(JSON.stringify(this.status()));
      } else if (req.method === 'POST' && req.url === '/stop') {
        res.end('{}');
        this.stop();
      } else void this.answer(req.url ?? '', res);
    });
    this.listening = new Promise((resolve, reject) => {
      this.server.once('listening', resolve);
      this.server.once('error', reject);
    });
    this.listening.catch(() => {});
  }

  ready(): Promise<void> {
    return this.listening;
  }

  async run(signal: AbortSignal): Promise<void> {
    rmSync(this.path, { force: true });
    const before = process.umask(0o177);
    this.server.listen(this.path);
    process.umask(before);
    await this.listening;
    chmodSync(this.path, 0o600);
    await aborted(signal);
    this.server.closeAllConnections();
    await new Promise<void>(resolve => this.server.close(() => resolve()));
    rmSync(this.path, { force: true });
  }

  private async answer(url: string, res: ServerResponse): Promise<void> {
    const [path = '', parameters = ''] = url.slice(1).split('?');
    const question = this.questions.get(path);
    res.setHeader('content-type', 'application/json');
    try {
      if (question === undefined) throw new QuestionError(`k8ts as it runs here has no ${path}`);
      res.end(JSON.stringify({ result: await question(new URLSearchParams(parameters)) }));
    } catch (error) {
      res.statusCode = question === undefined ? 404 : 500;
      res.end(JSON.stringify({ error: errorText(error) }));
    }
  }
}

/**
 * Asks a part of the running process.
 * @returns undefined when nobody answers there
 * @throws QuestionError with what it could not do
 */
export async function askQuestion<T>(
  socketPath: string,
  path: string,
  parameters: Readonly<Record<string, string>> = {},
): Promise<T | undefined> {
  const query = new URLSearchParams(parameters).toString();
  const answer = await ask<{ result?: T; error?: string }>(socketPath, 'GET', `/${path}?${query}`, QUESTION_MS);
  if (answer?.error !== undefined) throw new QuestionError(answer.error);
  return answer?.result;
}

/** @returns undefined when nobody answers there */
export function askStatus(socketPath: string): Promise<DaemonStatus | undefined> {
  return ask<DaemonStatus>(socketPath, 'GET', '/status');
}

/** @returns whether somebody took the order */
export async function askStop(socketPath: string): Promise<boolean> {
  return (await ask<object>(socketPath, 'POST', '/stop')) !== undefined;
}

function ask<T>(socketPath: string, method: string, path: string, timeout = 5_000): Promise<T | undefined> {
  return new Promise(resolve => {
    const req = request({ socketPath, method, path, timeout, agent: false }, res => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => (text += chunk));
      // One that ends in the middle of its answer gives none.
      res.on('close', () => resolve(undefined));
      res.on('end', () => {
        try {
          resolve(JSON.parse(text) as T);
        } catch {
          resolve(undefined);
        }
      });
    });
    req.on('timeout', () => req.destroy());
    req.on('error', () => resolve(undefined));
    req.end();
  });
}
