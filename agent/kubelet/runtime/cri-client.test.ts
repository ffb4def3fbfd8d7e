import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ImageServiceService, RuntimeServiceService } from '../../../proto/cri/runtime.gen.ts';
import { CriClient } from './cri-client.ts';
import { RuntimeError } from './runtime-error.ts';

type Call = ServerUnaryCall<unknown, unknown>;
type Reply = sendUnaryData<unknown>;

let dir: string;
let server: Server | undefined;
let client: CriClient;
const socket = () => join(dir, 'cri.sock');

async function serve(runtime: UntypedServiceImplementation, image: UntypedServiceImplementation = {}) {
  const started = new Server();
  server = started;
  started.addService(RuntimeServiceService, runtime);
  started.addService(ImageServiceService, image);
  await new Promise<void>((resolve, reject) =>
    started.bindAsync(`unix:${socket()}`, ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    ),
  );
}

const answer = (value: unknown) => (_call: Call, reply: Reply) => reply(null, value);
const refuse = (code: status, details: string) => (_call: Call, reply: Reply) => reply({ code, details });
const hang = () => {};

async function failureOf(call: Promise<unknown>): Promise<RuntimeError> {
  const error = await call.catch((e: unknown) => e);
  expect(error).toBeInstanceOf(RuntimeError);
  return error as RuntimeError;
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'k8ts-cri-'));
  client = new CriClient(`unix://${socket()}`);
});

afterEach(() => {
  client.close();
  server?.forceShutdown();
  server = undefined;
  rmSync(dir, { recursive: true, force: true });
});

describe('CriClient', () => {
  test('sends partial messages and gives complete ones', async () => {
    const requests: unknown[] = [];
    await serve({
      runPodSandbox: (call: Call, reply: Reply) => {
        requests.push(call.request);
        reply(null, { podSandboxId: 'p1' });
      },
      listContainers: answer({ containers: [{ id: 'c1', createdAt: 5n }] }),
    });
    expect(await client.runPodSandbox({ metadata: { name: 'a', uid: 'u' } })).toBe('p1');
    expect(requests).toMatchObject([{ config: { metadata: { name: 'a', uid: 'u', attempt: 0 } }, runtimeHandler: '' }]);
    expect(await client.listContainers()).toMatchObject([{ id: 'c1', createdAt: 5n, labels: {}, imageRef: '' }]);
  });

  test('maps gRPC codes, once', async () => {
    await serve({ startContainer: refuse(status.FAILED_PRECONDITION, 'not created') });
    const error = await failureOf(client.startContainer('c1'));
    expect(error).toMatchObject({ grpcCode: 'FailedPrecondition', method: 'StartContainer', detail: 'not created' });
    expect((await failureOf(client.status())).grpcCode).toBe('Unimplemented');
  });

  test('takes what does not exist for stopped and removed, but not for seen', async () => {
    const gone = refuse(status.NOT_FOUND, 'gone');
    await serve({
      stopContainer: gone,
      removeContainer: gone,
      stopPodSandbox: gone,
      removePodSandbox: gone,
      containerStatus: gone,
    });
    await client.stopContainer('c', 1);
    await client.removeContainer('c');
    await client.stopPodSandbox('p');
    await client.removePodSandbox('p');
    expect((await failureOf(client.containerStatus('c'))).grpcCode).toBe('NotFound');
  });

  test('ends a call at its deadline', async () => {
    await serve({ status: hang });
    expect((await failureOf(client.status({ timeoutMs: 30 }))).grpcCode).toBe('DeadlineExceeded');
  });

  test('gives calls the time that its maker said, and sandboxes twice of it', async () => {
    await serve({ status: hang, runPodSandbox: hang });
    const hasty = new CriClient(socket(), 40);
    const ended: string[] = [];
    try {
      const calls = [hasty.runPodSandbox({}), hasty.status()].map(async (call, index) => {
        expect((await failureOf(call)).grpcCode).toBe('DeadlineExceeded');
        ended.push(['sandbox', 'status'][index] ?? '');
      });
      await Promise.all(calls);
    } finally {
      hasty.close();
    }
    expect(ended).toEqual(['status', 'sandbox']);
  });

  test('ends a call at the abort, with its reason', async () => {
    await serve({ status: hang });
    const abort = new AbortController();
    const call = client.status({ signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
    await expect(client.status({ signal: abort.signal })).rejects.toThrow('enough');
  });

  test('says Unavailable at once while nobody listens, and finds a server that came back', async () => {
    expect((await failureOf(client.version())).grpcCode).toBe('Unavailable');
    await serve({ version: answer({ runtimeApiVersion: 'v1', runtimeName: 'x' }) });
    const startedMs = performance.now();
    let name = '';
    while (name === '' && performance.now() - startedMs < 5_000) {
      name = await client.version().then(
        v => v.runtimeName,
        () => '',
      );
    }
    expect(name).toBe('x');
  });

  test('refuses a runtime of another API', async () => {
    await serve({ version: answer({ runtimeApiVersion: 'v2' }) });
    expect((await failureOf(client.checkVersion())).detail).toContain('CRI v2');
  });

  test('asks for the driver only those who know it', async () => {
    await serve({ runtimeConfig: answer({ linux: { cgroupDriver: 1 } }) });
    expect(await client.cgroupDriver()).toBe('cgroupfs');
  });

  test('does without the driver where the call is unknown', async () => {
    await serve({});
    expect(await client.cgroupDriver()).toBeUndefined();
  });

  test('gives undefined for an image that is not there', async () => {
    await serve({}, { imageStatus: answer({}) });
    expect(await client.imageStatus({ image: 'docker.io/library/x:1' })).toBeUndefined();
  });
});
