import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { FakeClock } from '../process/clock.ts';
import {
  bootstrapTokenSecret,
  formatBootstrapToken,
  generateBootstrapToken,
  grantsAuthentication,
  parseBootstrapToken,
  readBootstrapTokenSecret,
} from './bootstrap-token.ts';
import {
  authorityHash,
  createAuthority,
  DAY_MS,
  generateKeyPem,
  issueCertificate,
  issueKeyPair,
} from './certificate.ts';
import { derOid, readDer, readOid } from './der.ts';
import { loadOrCreateAuthority, loadOrIssue } from './key-pair-files.ts';
import { ServiceAccountTokens, TokenError } from './service-account-tokens.ts';
import { createSigningRequest, parseSigningRequest } from './signing-request.ts';

const nowMs = Date.now();
const dates = { notBeforeMs: nowMs - 1000, notAfterMs: nowMs + DAY_MS };

describe('certificates', () => {
  test('a server and a client certificate of one authority make a TLS connection with mutual trust', async () => {
    const ca = createAuthority('test-ca', nowMs);
    const server = issueKeyPair(ca, {
      subject: { commonName: 'kube-apiserver' },
      usages: ['server'],
      ipAddresses: ['127.0.0.1'],
      ...dates,
    });
    const user = { commonName: 'tester', organizations: ['system:masters', 'dev'] };
    const client = issueKeyPair(ca, { subject: user, usages: ['client'], ...dates });
    const options = {
      key: server.keyPem,
      cert: server.certPem,
      ca: ca.certPem,
      requestCert: true,
      rejectUnauthorized: true,
    };
    const peer = new Promise<object>(resolve => {
      const listener = createServer(options, (socket: TLSSocket) => {
        resolve(socket.getPeerCertificate().subject);
        socket.end();
        listener.close();
      });
      listener.listen(0, '127.0.0.1', () => {
        const { port } = listener.address() as { port: number };
        connect({ port, host: '127.0.0.1', ca: ca.certPem, cert: client.certPem, key: client.keyPem }).resume();
      });
    });
    const subject = (await peer) as { CN: string; O: string[] };
    expect([subject.CN, [...subject.O].sort()]).toEqual(['tester', ['dev', 'system:masters']]);
  });

  test('issueKeyPair() names hosts and both families of addresses', () => {
    const ca = createAuthority('test-ca', nowMs);
    const ipAddresses = ['10.96.0.1', 'fd00::1', '2001:db8:0:0:1::7', '::'];
    const { certPem } = issueKeyPair(ca, {
      subject: { commonName: 'x' },
      usages: ['server'],
      dnsNames: ['*.example.com', 'kubernetes'],
      ipAddresses,
      ...dates,
    });
    const certificate = new X509Certificate(certPem);
    expect(ipAddresses.map(a => certificate.checkIP(a) !== undefined)).toEqual([true, true, true, true]);
    expect(certificate.checkHost('a.example.com')).toBeDefined();
    expect(certificate.checkHost('other')).toBeUndefined();
    expect(certificate.verify(new X509Certificate(ca.certPem).publicKey)).toBe(true);
    expect(certificate.checkIssued(new X509Certificate(ca.certPem))).toBe(true);
    expect(certificate.ca).toBe(false);
  });

  test('issueKeyPair() never outlives its authority', () => {
    const ca = createAuthority('short', nowMs, DAY_MS);
    const { certPem } = issueKeyPair(ca, {
      subject: { commonName: 'x' },
      usages: ['client'],
      ...dates,
      notAfterMs: nowMs + 90 * DAY_MS,
    });
    expect(Date.parse(new X509Certificate(certPem).validTo)).toBeLessThanOrEqual(nowMs + DAY_MS);
  });

  test('authorityHash() is the hash of the key, so it outlasts a renewed certificate', () => {
    expect(authorityHash(createAuthority('a', nowMs).certPem)).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  test('OIDs survive a round trip', () => {
    const arcs = fc.array(fc.nat(2 ** 31 - 1), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.nat(1), fc.nat(39), arcs, (a, b, rest) => {
        const oid = [a, b, ...rest].join('.');
        expect(readOid(readDer(derOid(oid)))).toBe(oid);
      }),
    );
  });
});

describe('signing requests', () => {
  test('parseSigningRequest() reads what createSigningRequest() wrote, and the signed certificate fits the key', () => {
    const keyPem = generateKeyPem();
    const csr = createSigningRequest(
      keyPem,
      { commonName: 'system:node:n1', organizations: ['system:nodes'] },
      { dnsNames: ['n1'], ipAddresses: ['10.0.0.1', 'fd00::2'] },
    );
    const request = parseSigningRequest(csr);
    expect(request).toMatchObject({
      subject: { commonName: 'system:node:n1', organizations: ['system:nodes'] },
      dnsNames: ['n1'],
      ipAddresses: ['10.0.0.1', 'fd00::2'],
      hasOtherNames: false,
    });
    const ca = createAuthority('ca', nowMs);
    const certPem = issueCertificate(ca, request.publicKey, { subject: request.subject, usages: ['client'], ...dates });
    expect(new X509Certificate(certPem).subject).toBe('O=system:nodes\nCN=system:node:n1');
  });

  test('an RSA key is signed for too', () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect(parseSigningRequest(createSigningRequest(keyPem, { commonName: 'r' })).subject.commonName).toBe('r');
  });

  test('parseSigningRequest() refuses every changed byte and every cut', () => {
    const csr = createSigningRequest(generateKeyPem(), { commonName: 'a', organizations: ['b'] });
    const bytes = Buffer.from(csr.split('\n').slice(1, -2).join(''), 'base64');
    const pem = (b: Buffer): string =>
      `-----BEGIN CERTIFICATE REQUEST-----\n${b.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ flip;
        expect(() => parseSigningRequest(pem(changed))).toThrow();
        expect(() => parseSigningRequest(pem(bytes.subarray(0, at)))).toThrow();
      }),
    );
  });
});

describe('files', () => {
  test('loadOrIssue() keeps what is good, renews what nears its end, loses a name or has another authority', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'k8ts-pki-'));
    try {
      const at = (name: string) => ({ certPath: join(folder, `${name}.crt`), keyPath: join(folder, `${name}.key`) });
      const authority = await loadOrCreateAuthority({ ...at('ca'), commonName: 'ca', nowMs });
      expect((await loadOrCreateAuthority({ ...at('ca'), commonName: 'ca', nowMs })).written).toBeUndefined();
      expect((await stat(at('ca').keyPath)).mode & 0o777).toBe(0o600);
      const request = {
        subject: { commonName: 'srv', organizations: ['o1', 'o2'] },
        usages: ['server'],
        ipAddresses: ['127.0.0.1'],
        dnsNames: ['localhost'],
      } as const;
      const load = (more = {}, when = nowMs) =>
        loadOrIssue({ ...at('srv'), authority, request: { ...request, ...more }, nowMs: when });
      expect((await load()).written).toBe('created');
      expect((await load()).written).toBeUndefined();
      expect((await load({}, nowMs + 300 * DAY_MS)).written).toBe('renewed');
      expect((await load({ ipAddresses: ['10.0.0.9'] })).written).toBe('renewed');
      await writeFile(at('srv').certPath, 'rubbish');
      expect((await load()).written).toBe('renewed');
      await rm(at('ca').keyPath);
      await expect(loadOrCreateAuthority({ ...at('ca'), commonName: 'ca', nowMs })).rejects.toThrow(
        /ca\.key is missing/,
      );
      await writeFile(at('ca').keyPath, await readFile(at('srv').keyPath));
      await expect(loadOrCreateAuthority({ ...at('ca'), commonName: 'ca', nowMs })).rejects.toThrow(/does not belong/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('service-account tokens', () => {
  const input = {
    namespace: 'ns',
    serviceAccount: { name: 'sa', uid: 'u1' },
    audiences: ['api', 'vault'],
    expirationSeconds: 600,
  };

  function setUp(keyPem = generateKeyPem()) {
    const clock = new FakeClock();
    return { clock, tokens: new ServiceAccountTokens({ issuer: 'https://iss', signingKeyPem: keyPem, clock }) };
  }

  test('verify() gives what issue() was told, for the audiences that both know', () => {
    const { tokens } = setUp();
    const { token } = tokens.issue({
      ...input,
      pod: { name: 'p', uid: 'u2' },
      node: { name: 'n', uid: 'u3' },
      warnAfterSeconds: 60,
    });
    expect(tokens.verify(token, ['api', 'x'])).toMatchObject({
      namespace: 'ns',
      serviceAccount: { name: 'sa', uid: 'u1' },
      pod: { name: 'p', uid: 'u2' },
      node: { name: 'n', uid: 'u3' },
      audiences: ['api'],
      legacy: false,
    });
    expect(() => tokens.verify(token, ['x'])).toThrow(TokenError);
  });

  test('verify() refuses a token from its expiry on, also when it was seen before', async () => {
    const { tokens, clock } = setUp();
    const { token } = tokens.issue(input);
    expect(tokens.verify(token, ['api'])).toBeDefined();
    await clock.advance(599_000);
    expect(tokens.verify(token, ['api'])).toBeDefined();
    await clock.advance(1000);
    expect(() => tokens.verify(token, ['api'])).toThrow('expired');
  });

  test('verify() refuses a changed token and one of another key, and leaves alone what is not ours', () => {
    const { tokens } = setUp();
    const { token } = tokens.issue(input);
    const [header = '', , signature = ''] = token.split('.');
    const claims = Buffer.from(
      JSON.stringify({ iss: 'https://iss', sub: 'system:serviceaccount:kube-system:admin' }),
    ).toString('base64url');
    expect(() => tokens.verify(`${header}.${claims}.${signature}`, ['api'])).toThrow('signature');
    const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
    expect(() => tokens.verify(`${none}.${claims}.`, ['api'])).toThrow('signature');
    expect(() => tokens.verify(setUp().tokens.issue(input).token, ['api'])).toThrow('signature');
    expect(tokens.verify('not-a-token', ['api'])).toBeUndefined();
    expect(tokens.verify('abcdef.0123456789abcdef', ['api'])).toBeUndefined();
  });

  test('legacy tokens and RSA keys work', () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const { tokens } = setUp(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    const token = tokens.issueLegacy('ns', { name: 'sa', uid: 'u1' }, 'sa-token-x');
    expect(tokens.verify(token, ['any'])).toMatchObject({
      legacy: true,
      secret: { name: 'sa-token-x' },
      audiences: ['any'],
    });
    expect(tokens.jwks().keys[0]).toMatchObject({ kty: 'RSA', alg: 'RS256', use: 'sig' });
  });

  test('jose, an implementation by others, accepts a token with the published keys', async () => {
    const { createLocalJWKSet, jwtVerify } = await import('jose');
    const { tokens, clock } = setUp();
    const keys = createLocalJWKSet(tokens.jwks() as Parameters<typeof createLocalJWKSet>[0]);
    const { payload } = await jwtVerify(tokens.issue(input).token, keys, {
      issuer: 'https://iss',
      audience: 'vault',
      currentDate: new Date(clock.now()),
    });
    expect(payload.sub).toBe('system:serviceaccount:ns:sa');
  });
});

describe('bootstrap tokens', () => {
  test('survive their Secret', () => {
    const token = generateBootstrapToken();
    expect(parseBootstrapToken(formatBootstrapToken(token))).toEqual(token);
    const grant = readBootstrapTokenSecret(
      bootstrapTokenSecret(token, { expiresAtMs: nowMs + 5000, description: 'x' }),
    );
    expect(grant).toMatchObject({ ...token, usableForSigning: true });
    if (grant === undefined) throw new Error('unreachable');
    expect(grantsAuthentication(grant, token, nowMs)).toBe(true);
    expect(grantsAuthentication(grant, token, nowMs + 6000)).toBe(false);
    expect(grantsAuthentication(grant, { id: token.id, secret: '0000000000000000' }, nowMs)).toBe(false);
  });
});
