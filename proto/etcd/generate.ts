/**
 * Writes the TypeScript of rpc.proto.
 * Usage: `npx tsx proto/etcd/generate.ts [--check]`; --check writes nothing and fails if the checked-in file differs.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateGrpc } from '../generate-grpc.ts';

const folder = import.meta.dirname;

generateGrpc('proto/etcd', {
  folder,
  protos: { rpc: readFileSync(join(folder, 'rpc.proto'), 'utf8') },
  // Revisions are numbers; what may exceed 2^53 is a string by its own jstype.
  options: ['useJsTypeOverride=true'],
});
