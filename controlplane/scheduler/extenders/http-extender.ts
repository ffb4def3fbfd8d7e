/**
 * An extender reached over HTTP(S). Source: upstream's `HTTPExtender` (pkg/scheduler/extender.go), 1.36.
 *
 * - A call ends with its time-out, whatever the extender does: slow headers, a body by drops, none at all.
 * - An answer may have twice the bytes of the question and a megabyte: so much names every node with a reason, and no more is kept.
 * - Nothing is believed that cannot be: nodes that were not asked about, pods that are not there or are not less important, scores out of range.
 */
import type { Dispatcher, Pool } from 'undici';
import { priorityOf } from '../../../machinery/meta/pod-priority.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { ExtenderSettings } from '../config/plan/settings.ts';
import { ExtenderError, type Extender, type ExtenderVerdict, type Victims } from '../framework/extender.ts';
import { MAX_NODE_SCORE, type Rejection } from '../framework/framework.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import {
  bindingArgs,
  extenderArgs,
  MAX_EXTENDER_PRIORITY,
  parseBindingResult,
  parseFilterResult,
  parseHostPriorities,
  parsePreemptionResult,
  preemptionArgs,
  type PreemptionAnswer,
} from './plan/wire.ts';
import { tlsMaterial } from './tls-material.ts';

/** So many calls of one extender run at once; further ones wait, within their time-out. */
const MAX_CALLS = 16;
const SPARE_BYTES = 1024 * 1024;

export class HttpExtender implements Extender {
  readonly name: string;
  readonly isIgnorable: boolean;
  readonly canFilter: boolean;
  readonly canPrioritize: boolean;
  readonly canPreempt: boolean;
  readonly canBind: boolean;
  private readonly settings: ExtenderSettings;
  private pool: Promise<Pool> | undefined;

  constructor(settings: ExtenderSettings) {
    this.settings = settings;
    this.name = settings.urlPrefix;
    this.isIgnorable = settings.ignorable;
    this.canFilter = settings.filterVerb !== '';
    this.canPrioritize = settings.prioritizeVerb !== '';
    this.canPreempt = settings.preemptVerb !== '';
    this.canBind = settings.bindVerb !== '';
  }

  isInterested({ spec }: Pod): boolean {
    const { managedResources } = this.settings;
    if (managedResources.size === 0) return true;
    return [...spec.containers, ...(spec.initContainers ?? [])].some(({ resources }) =>
      [resources?.requests, resources?.limits].some(list =>
        Object.keys(list ?? {}).some(resource => managedResources.has(resource)),
      ),
    );
  }

  async filter(pod: Pod, nodes: readonly NodeInfo[], signal: AbortSignal): Promise<ExtenderVerdict> {
    const { filterVerb, nodeCacheCapable } = this.settings;
    const asked = new Set(nodes.map(({ name }) => name));
    const args = extenderArgs(
      pod,
      nodes.map(({ node }) => node),
      nodeCacheCapable,
    );
    const answer = await this.call(filterVerb, args, signal, body => parseFilterResult(body, nodeCacheCapable));
    const stranger = answer.nodeNames.find(name => !asked.has(name));
    if (stranger !== undefined)
      throw this.error(`claims a filtered node "${stranger}" which is not found in the input node list`);
    const rejections = new Map<string, Rejection>();
    for (const [name, reason] of answer.failed) rejections.set(name, { reason, unresolvable: false });
    for (const [name, reason] of answer.unresolvable) rejections.set(name, { reason, unresolvable: true });
    for (const name of rejections.keys()) if (!asked.has(name)) rejections.delete(name);
    return { nodeNames: new Set(answer.nodeNames), rejections };
  }

  async prioritize(pod: Pod, nodes: readonly NodeInfo[], signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const { prioritizeVerb, nodeCacheCapable, weight } = this.settings;
    const args = extenderArgs(
      pod,
      nodes.map(({ node }) => node),
      nodeCacheCapable,
    );
    const scores = await this.call(prioritizeVerb, args, signal, parseHostPriorities);
    const factor = weight * (MAX_NODE_SCORE / MAX_EXTENDER_PRIORITY);
    return new Map([...scores].map(([name, score]) => [name, score * factor]));
  }

  async preempt(
    pod: Pod,
    candidates: ReadonlyMap<string, Victims>,
    node: (name: string) => NodeInfo | undefined,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Victims>> {
    const { preemptVerb, nodeCacheCapable } = this.settings;
    const args = preemptionArgs(pod, candidates, nodeCacheCapable);
    const answers = await this.call(preemptVerb, args, signal, parsePreemptionResult);
    return new Map([...answers].map(([name, answer]) => [name, this.victimsOf(pod, name, answer, node(name))]));
  }

  async bind(pod: Pod, nodeName: string, signal: AbortSignal): Promise<void> {
    await this.call(this.settings.bindVerb, bindingArgs(pod, nodeName), signal, parseBindingResult);
  }

  /** Differs: upstream deletes whatever an extender names, of any priority. */
  private victimsOf(
    pod: Pod,
    name: string,
    { uids, violations }: PreemptionAnswer,
    node: NodeInfo | undefined,
  ): Victims {
    if (node === undefined) throw this.error(`claims to preempt pods on node "${name}", which does not exist`);
    const pods = uids.map(uid => {
      const victim = node.pods.get(uid);
      if (victim === undefined)
        throw this.error(`claims to preempt pod (UID: ${uid}) on node: ${name}, but the pod is not found on that node`);
      if (priorityOf(victim) >= priorityOf(pod))
        throw this.error(`claims to preempt pod (UID: ${uid}) on node: ${name}, which is not less important`);
      return victim;
    });
    return { pods: pods.sort((a, b) => priorityOf(b) - priorityOf(a)), violations };
  }

  private async call<R>(verb: string, args: object, signal: AbortSignal, parse: (body: unknown) => R): Promise<R> {
    signal.throwIfAborted();
    const { urlPrefix, httpTimeoutMs } = this.settings;
    // Its own, so that nothing of the call stays with a signal that lives as long as the scheduler.
    const ending = new AbortController();
    const end = (): void => ending.abort();
    signal.addEventListener('abort', end, { once: true });
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      end();
    }, httpTimeoutMs);
    try {
      return parse(JSON.parse(await this.post(`${urlPrefix}/${verb}`, verb, JSON.stringify(args), ending.signal)));
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof ExtenderError) throw error;
      const why = isLate ? `no answer after ${httpTimeoutMs} ms` : messageOf(error);
      throw this.error(`${verb} failed: ${why}`, { cause: error });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
    }
  }

  private async post(url: string, verb: string, body: string, signal: AbortSignal): Promise<string> {
    this.pool ??= this.connect(new URL(url).origin);
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const response = await (
      await this.pool
    ).request({ method: 'POST', path: new URL(url).pathname, headers, body, signal });
    if (response.statusCode !== 200) {
      response.body.on('error', () => undefined).destroy();
      throw this.error(`failed ${verb} with extender at URL ${url}, code ${response.statusCode}`);
    }
    return this.read(response.body, 2 * Buffer.byteLength(body) + SPARE_BYTES);
  }

  private async read(body: Dispatcher.ResponseData['body'], maxBytes: number): Promise<string> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw this.error(`its answer has more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString();
  }

  private async connect(origin: string): Promise<Pool> {
    const { Pool, buildConnector } = await import('undici');
    const timeout = this.settings.httpTimeoutMs;
    // A connector of its own for each connection: it reads the files of the certificates again.
    const connect: ReturnType<typeof buildConnector> = (options, callback) => {
      try {
        buildConnector({ timeout, ...tlsMaterial(this.settings) })(options, callback);
      } catch (error) {
        callback(error as Error, null);
      }
    };
    return new Pool(origin, { connect, connections: MAX_CALLS, headersTimeout: timeout, bodyTimeout: timeout });
  }

  private error(message: string, options?: ErrorOptions): ExtenderError {
    return new ExtenderError(this.name, message, options);
  }
}

/** A refused connection may have its reason only in a code. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  return error.message === '' ? String(code) : error.message;
}
