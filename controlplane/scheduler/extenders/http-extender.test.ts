import { createServer as createPlain, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecure } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createAuthority, issueKeyPair } from '../../../machinery/pki/certificate.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { settingsOf, withDefaults, type ExtenderSettings } from '../config/plan/settings.ts';
import { consultExtenders, needsExtenders } from '../framework/consult-extenders.ts';
import { NodeInfo } from '../framework/node-info.ts';
import { HttpExtender } from './http-extender.ts';

type Answer = (verb: string, body: Record<string, unknown>, response: ServerResponse) => unknown;

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A real extender that answers with what `answer` gives; undefined: `answer` did it itself. */
async function serve(answer: Answer, tls?: { cert: string; key: string }): Promise<string> {
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const body = answer((request.url ?? '').split('/').pop() ?? '', JSON.parse(text) as never, response);
      if (body !== undefined) response.end(JSON.stringify(body));
    });
  };
  const own = tls === undefined ? createPlain(listener) : createSecure(tls, listener);
  server = own as Server;
  await new Promise<void>(resolve => own.listen(0, '127.0.0.1', resolve));
  return `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(own.address() as AddressInfo).port}/ext`;
}

const EVERY_VERB = {
  filterVerb: 'filter',
  prioritizeVerb: 'prioritize',
  preemptVerb: 'preempt',
  bindVerb: 'bind',
  weight: 2,
};

function extender(urlPrefix: string, more: object = {}): HttpExtender {
  const { extenders } = settingsOf(withDefaults({ extenders: [{ urlPrefix, ...EVERY_VERB, ...more }] }));
  return new HttpExtender(extenders[0] as ExtenderSettings);
}

const podOf = (name: string, priority = 0, resource?: string): Pod =>
  ({
    metadata: { name, namespace: 'ns', uid: `uid-${name}` },
    spec: {
      priority,
      containers: [{ name: 'c', resources: resource === undefined ? {} : { limits: { [resource]: '1' } } }],
    },
  }) as Pod;
const nodeOf = (name: string): NodeInfo => new NodeInfo({ metadata: { name }, spec: {}, status: {} } as Node);
const pod = podOf('p', 100);
const nodes = ['a', 'b', 'c'].map(nodeOf);
const { signal } = new AbortController();
const silent = { signal, logger: { warn: () => undefined } as never };

describe('HttpExtender', () => {
  test('filter() shows names to one that keeps nodes, and whole nodes to others', async () => {
    const seen: unknown[] = [];
    const url = await serve((verb, body) => {
      seen.push([verb, body]);
      return {
        nodeNames: ['a'],
        nodes: { items: [{ metadata: { name: 'b' } }] },
        FailedNodes: { b: 'too blue', x: 'y' },
        failedAndUnresolvableNodes: { c: 'never' },
      };
    });
    const byName = await extender(url, { nodeCacheCapable: true }).filter(pod, nodes, signal);
    expect(seen).toEqual([['filter', { Pod: pod, Nodes: null, NodeNames: ['a', 'b', 'c'] }]]);
    expect([...byName.nodeNames]).toEqual(['a']);
    expect(Object.fromEntries(byName.rejections)).toEqual({
      b: { reason: 'too blue', unresolvable: false },
      c: { reason: 'never', unresolvable: true },
    });
    expect([...(await extender(url).filter(pod, nodes, signal)).nodeNames]).toEqual(['b']);
    const items = nodes.map(({ node }) => node);
    expect(seen[1]).toMatchObject(['filter', { Nodes: { items }, NodeNames: null }]);
  });

  test('prioritize() brings scores to ours, by weight, and believes none out of range', async () => {
    const url = await serve(() => [
      { Host: 'a', Score: 5 },
      { host: 'b', score: 1e300 },
      { Host: 'c', Score: -7 },
    ]);
    expect([...(await extender(url).prioritize(pod, nodes, signal))]).toEqual([
      ['a', 100],
      ['b', 200],
      ['c', 0],
    ]);
  });

  test('bind() lets the extender bind', async () => {
    const url = await serve((verb, body) => (body['Node'] === 'a' ? { Error: '' } : { error: `${verb}: no room` }));
    await extender(url).bind(pod, 'a', signal);
    await expect(extender(url).bind(pod, 'b', signal)).rejects.toThrow(`extender ${url}: bind failed: bind: no room`);
  });

  test('preempt() takes victims that are there and less important, and no others', async () => {
    const [victim, equal] = [podOf('v', 1), podOf('e', 100)];
    const node = nodeOf('a');
    for (const each of [victim, equal]) node.addPod(each);
    let answer = { NodeNameToMetaVictims: { a: { Pods: [{ UID: 'uid-v' }], NumPDBViolations: 1 } } };
    const seen: unknown[] = [];
    const url = await serve((_verb, body) => {
      seen.push(body);
      return answer;
    });
    const candidates = new Map([['a', { pods: [victim], violations: 0 }]]);
    const ask = (more: object = {}) =>
      extender(url, more).preempt(pod, candidates, name => (name === 'a' ? node : undefined), signal);
    expect([...(await ask())]).toEqual([['a', { pods: [victim], violations: 1 }]]);
    await ask({ nodeCacheCapable: true });
    expect(seen).toEqual([
      { Pod: pod, NodeNameToVictims: { a: { Pods: [victim], NumPDBViolations: 0 } }, NodeNameToMetaVictims: null },
      {
        Pod: pod,
        NodeNameToVictims: null,
        NodeNameToMetaVictims: { a: { Pods: [{ UID: 'uid-v' }], NumPDBViolations: 0 } },
      },
    ]);
    answer = { NodeNameToMetaVictims: { a: { Pods: [{ UID: 'uid-e' }], NumPDBViolations: 0 } } };
    await expect(ask()).rejects.toThrow('which is not less important');
    answer = { NodeNameToMetaVictims: { a: { Pods: [{ UID: 'nobody' }], NumPDBViolations: 0 } } };
    await expect(ask()).rejects.toThrow('claims to preempt pod (UID: nobody) on node: a, but the pod is not found');
  });

  test.each<[string, Answer, string, object?]>([
    ['an error', (_v, _b, r) => void r.writeHead(500).end('x'), '/ext/filter, code 500'],
    ['no JSON', (_v, _b, r) => void r.end('<html>'), 'filter failed: '],
    ['an error of its own', () => ({ Error: 'out of sorts' }), 'filter failed: out of sorts'],
    ['something else', () => [1], 'ExtenderFilterResult must be an object'],
    ['a node that nobody asked about', () => ({ NodeNames: ['z'] }), 'claims a filtered node "z" which is not found'],
    ['without end', (_v, _b, r) => void flood(r), 'its answer has more than'],
    ['nothing', () => undefined, 'filter failed: no answer after 50 ms', { httpTimeout: '50ms' }],
    ['by drops', (_v, _b, r) => void r.write('{'), 'filter failed: no answer after 50 ms', { httpTimeout: '50ms' }],
  ])('filter() fails when the extender answers %s', async (_what, answer, message, more = {}) => {
    const url = await serve(answer);
    await expect(extender(url, { nodeCacheCapable: true, ...more }).filter(pod, nodes, signal)).rejects.toThrow(
      message,
    );
  });

  test('filter() says that nobody listens', async () => {
    const url = await serve(() => ({}));
    await new Promise(resolve => server?.close(resolve));
    await expect(extender(url).filter(pod, nodes, signal)).rejects.toThrow('ECONNREFUSED');
  });

  test('filter() over TLS trusts the authority that it was given, or anybody where upstream does', async () => {
    const authority = createAuthority('extender', Date.now());
    const nowMs = Date.now();
    const pair = issueKeyPair(authority, {
      subject: { commonName: 'x' } as never,
      dnsNames: ['ext.example'],
      usages: ['server'],
      notBeforeMs: nowMs - 1000,
      notAfterMs: nowMs + 3_600_000,
    });
    const url = await serve(() => ({ NodeNames: ['a'] }), { cert: pair.certPem, key: pair.keyPem });
    const ask = (more: object) => extender(url, { nodeCacheCapable: true, ...more }).filter(pod, nodes, signal);
    const caData = Buffer.from(authority.certPem).toString('base64');
    await expect(ask({ tlsConfig: { caData, serverName: 'ext.example' } })).resolves.toBeDefined();
    await expect(ask({ enableHTTPS: true })).resolves.toBeDefined();
    await expect(ask({ tlsConfig: { serverName: 'ext.example' } })).rejects.toThrow('certificate');
    await expect(ask({ tlsConfig: { caFile: '/nowhere/ca.pem' } })).rejects.toThrow('/nowhere/ca.pem');
  });
});

describe('consultExtenders()', () => {
  test('shows each what the one before left, adds scores up, and does without those that may be ignored', async () => {
    const url = await serve((verb, body, response) => {
      if (verb === 'broken') return void response.writeHead(500).end();
      const names = body['NodeNames'] as string[];
      if (verb === 'filter') return { NodeNames: names.slice(1), FailedNodes: { [names[0] as string]: 'first' } };
      return names.map(Host => ({ Host, Score: 1 }));
    });
    const cached = { nodeCacheCapable: true };
    const twice = [extender(url, cached), extender(url, { ...cached, filterVerb: '' })];
    const broken = extender(url, { filterVerb: 'broken', prioritizeVerb: 'broken', ignorable: true });
    const { nodeNames, rejections, scores } = await consultExtenders([broken, ...twice], pod, nodes, silent);
    expect([...nodeNames]).toEqual(['b', 'c']);
    expect([...rejections]).toEqual([['a', [{ reason: 'first', unresolvable: false }]]]);
    expect([...scores]).toEqual([
      ['b', 40],
      ['c', 40],
    ]);
    const strict = extender(url, { filterVerb: 'broken' });
    await expect(consultExtenders([strict], pod, nodes, silent)).rejects.toThrow('code 500');
  });

  test('concerns pods that ask for a resource of the extender', () => {
    const extenders = [extender('http://127.0.0.1:1', { managedResources: [{ name: 'example.com/foo' }] })];
    expect(needsExtenders(extenders, pod)).toBe(false);
    expect(needsExtenders(extenders, podOf('q', 0, 'example.com/foo'))).toBe(true);
    expect(
      needsExtenders([extender('http://127.0.0.1:1', { filterVerb: '', prioritizeVerb: '', preemptVerb: '' })], pod),
    ).toBe(false);
  });
});

/** Writes for as long as somebody reads. */
function flood(response: ServerResponse): void {
  const chunk = ' '.repeat(256 * 1024);
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', more).on('error', () => undefined);
  more();
}
