/**
 * Writes runtime.proto from the facts table cri-v1.json, and the TypeScript of both .proto files.
 * Usage: `npx tsx proto/cri/generate.ts [--check]`; --check writes nothing and fails if a checked-in file differs.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateGrpc } from '../generate-grpc.ts';
import { renderProto, type ProtoTable } from './render-proto.ts';

const folder = import.meta.dirname;
const table = JSON.parse(readFileSync(join(folder, 'cri-v1.json'), 'utf8')) as ProtoTable;

generateGrpc('proto/cri', {
  folder,
  protos: {
    runtime: renderProto(table),
    'containerd-content': readFileSync(join(folder, 'containerd-content.proto'), 'utf8'),
    'containerd-events': readFileSync(join(folder, 'containerd-events.proto'), 'utf8'),
  },
  made: ['runtime'],
  // CRI timestamps are nanoseconds, beyond what a number holds.
  options: ['forceLong=bigint'],
});
