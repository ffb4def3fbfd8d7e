import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { StatusError } from '../meta/status-error.ts';
import { createAuthority, DAY_MS, issueKeyPair } from '../pki/certificate.ts';
import { FakeClock } from '../process/clock.ts';
import { fixedCredentials } from './credentials.ts';
import { HttpTransport } from './http-transport.ts';
import { loadKubeconfig, mergeKubeconfig, removeFromKubeconfig, transportFor, writeKubeconfig } from './kubeconfig.ts';

const nowMs = Date.now();
const dates = { notBeforeMs: nowMs - 1000, notAfterMs: nowMs + DAY_MS };
const ca = createAuthority('ca', nowMs);
const serverPair = issueKeyPair(ca, {
  subject: { commonName: 's' },
  usages: ['server'],
  ipAddresses: ['127.0.0.1'],
  ...dates,
});
const clientPair = issueKeyPair(ca, { subject: { commonName: 'tester' }, usages: ['client'], ...dates });
let server: Server;
let url = '';
let handler: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'k8ts-client-'));
  const options = {
    key: serverPair.keyPem,
    cert: serverPair.certPem,
    ca: ca.certPem,
    requestCert: true,
    rejectUnauthorized: false,
  };
  server = createServer(options, (request, response) => handler(request, response));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  url = `https://127.0.0.1:${(server.address() as { port: number }).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
  await rm(folder, { recursive: true });
});

async function withTransport(work: (transport: HttpTransport) => Promise<void>, servers = [url]): Promise<void> {
  const credentials = fixedCredentials({ ca: ca.certPem, cert: clientPair.certPem, key: clientPair.keyPem }, 'tok');
  const transport = new HttpTransport({ servers, credentials, userAgent: 'test' });
  try {
    await work(transport);
  } finally {
    await transport.close();
  }
}

function json(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

describe('HttpTransport', () => {
  test('call() sends body, certificate and token, and gives the decoded answer', async () => {
    handler = (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (c: Buffer) => chunks.push(c));
      request.on('end', () => {
        const user = (request.socket as TLSSocket).getPeerCertificate().subject.CN;
        const { authorization } = request.headers;
        json(response, 201, {
          user,
          authorization,
          url: request.url,
          type: request.headers['content-type'],
          got: JSON.parse(Buffer.concat(chunks).toString()),
        });
      });
    };
    await withTransport(async transport => {
      const answer = await transport.call({
        method: 'PATCH',
        path: '/x',
        query: { a: 'b c' },
        body: { ü: 1 },
        contentType: 'application/merge-patch+json',
      });
      expect(answer).toEqual({
        user: 'tester',
        authorization: 'Bearer tok',
        url: '/x?a=b+c',
        type: 'application/merge-patch+json',
        got: { ü: 1 },
      });
    });
  });

  test('call() throws what the server said, and ServiceUnavailable when there is none', async () => {
    handler = (_request, response) =>
      json(response, 404, {
        kind: 'Status',
        status: 'Failure',
        reason: 'NotFound',
        code: 404,
        message: 'pods "x" not found',
      });
    await withTransport(async transport => {
      await expect(transport.call({ method: 'GET', path: '/x' })).rejects.toMatchObject({
        reason: 'NotFound',
        message: 'pods "x" not found',
      });
    });
    await withTransport(
      async transport => {
        const failure = await transport.call({ method: 'POST', path: '/x', body: {} }).catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(StatusError);
        expect(failure).toMatchObject({ reason: 'ServiceUnavailable' });
      },
      ['https://127.0.0.1:1'],
    );
  });

  test('call() goes to the next server when one refuses', async () => {
    handler = (_request, response) => json(response, 200, { ok: true });
    await withTransport(
      async transport => {
        expect(await transport.call({ method: 'POST', path: '/x', body: {} })).toEqual({ ok: true });
      },
      ['https://127.0.0.1:1', url],
    );
  });

  test('watch() gives events whose bytes come in any pieces, and throws an ERROR', async () => {
    handler = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const line = `${JSON.stringify({ type: 'ADDED', object: { name: 'é' } })}\n`;
      const bytes = Buffer.from(line + line);
      const cut = bytes.indexOf(0xc3) + 1;
      response.write(bytes.subarray(0, cut));
      setImmediate(() => {
        response.write(bytes.subarray(cut));
        response.end(
          `${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', status: 'Failure', code: 410, reason: 'Expired', message: 'old' } })}\n`,
        );
      });
    };
    await withTransport(async transport => {
      const names: unknown[] = [];
      const read = async () => {
        for await (const event of transport.watch({ method: 'GET', path: '/w' })) names.push(event.object);
      };
      await expect(read()).rejects.toMatchObject({ reason: 'Expired' });
      expect(names).toEqual([{ name: 'é' }, { name: 'é' }]);
    });
  });

  test('watch() ends with the reason of its signal', async () => {
    handler = (_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).write('\n');
    await withTransport(async transport => {
      const stop = new AbortController();
      const read = (async () => {
        for await (const _event of transport.watch({ method: 'GET', path: '/w', signal: stop.signal }))
          expect(_event).toBeUndefined();
      })();
      setTimeout(() => stop.abort(), 20);
      await expect(read).rejects.toMatchObject({ name: 'AbortError' });
    });
  });
});

describe('kubeconfig', () => {
  test('what is written is read back, others stay, and it makes a working transport', async () => {
    const path = join(folder, 'config');
    const entry = {
      name: 'k8ts',
      server: url,
      tls: { ca: ca.certPem, cert: clientPair.certPem, key: clientPair.keyPem },
    };
    await writeKubeconfig(path, { ...entry, name: 'other', server: 'https://other' });
    await mergeKubeconfig(path, entry);
    await mergeKubeconfig(path, entry);
    const loaded = await loadKubeconfig(path);
    expect(loaded).toMatchObject({ name: 'k8ts', server: url, tls: { ca: ca.certPem, key: clientPair.keyPem } });
    expect((await loadKubeconfig(path, 'other')).server).toBe('https://other');
    handler = (request, response) =>
      json(response, 200, { user: (request.socket as TLSSocket).getPeerCertificate().subject.CN });
    const transport = transportFor(loaded, new FakeClock());
    expect(await transport.call({ method: 'GET', path: '/' })).toEqual({ user: 'tester' });
    await transport.close();
    await removeFromKubeconfig(path, 'k8ts');
    expect((await loadKubeconfig(path)).name).toBe('other');
  });

  test('a broken file is named', async () => {
    const path = join(folder, 'broken');
    await writeFile(path, 'a: [b');
    await expect(loadKubeconfig(path)).rejects.toThrow(path);
    await expect(loadKubeconfig(join(folder, 'missing'))).rejects.toThrow('missing');
  });
});
