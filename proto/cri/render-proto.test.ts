import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { ContainerStatus, LinuxContainerResources, PodSandboxConfig, RuntimeServiceService } from './runtime.gen.ts';
import { renderProto, type ProtoTable } from './render-proto.ts';

const read = (file: string) => readFileSync(join(import.meta.dirname, file), 'utf8');

test('renderProto() gives the checked-in runtime.proto', () => {
  expect(renderProto(JSON.parse(read('cri-v1.json')) as ProtoTable)).toBe(read('runtime.proto'));
});

test('renderProto() renders streams, nested enums, maps, repeated and deprecated fields', () => {
  const text = renderProto({
    package: 'p.v1',
    services: { S: [{ name: 'Watch', request: 'A', response: 'B', responseStream: true }] },
    messages: {
      A: [],
      B: [
        { n: 1, name: 'kind', type: 'Kind' },
        { n: 3, name: 'old', type: 'string', repeated: true, deprecated: true },
        { n: 4, name: 'labels', type: 'map<string,string>' },
      ],
    },
    enums: { 'B.Kind': { NONE: 0 } },
  });
  expect(text).toContain('rpc Watch(A) returns (stream B) {}');
  expect(text).toContain('message A {}');
  expect(text).toContain('  enum Kind {\n    NONE = 0;\n  }\n  Kind kind = 1;');
  expect(text).toContain('repeated string old = 3 [deprecated = true];');
  expect(text).toContain('map<string, string> labels = 4;');
});

test('every call goes to runtime.v1', () => {
  for (const method of Object.values(RuntimeServiceService))
    expect(method.path).toMatch(/^\/runtime\.v1\.RuntimeService\//);
});

test('nanosecond times and 64-bit limits survive the wire', () => {
  const createdAt = 1_790_000_000_123_456_789n;
  expect(ContainerStatus.decode(ContainerStatus.encode({ createdAt }).finish()).createdAt).toBe(createdAt);
  const memoryLimitInBytes = 2n ** 62n;
  const resources = LinuxContainerResources.encode({ memoryLimitInBytes }).finish();
  expect(LinuxContainerResources.decode(resources).memoryLimitInBytes).toBe(memoryLimitInBytes);
});

test('decoding fills in proto3 defaults but not nested messages', () => {
  expect(PodSandboxConfig.decode(new Uint8Array())).toMatchObject({
    hostname: '',
    labels: {},
    portMappings: [],
    linux: undefined,
  });
});
