/**
 * Writes the TypeScript of csi.proto.
 * Usage: `npx tsx proto/csi/generate.ts [--check]`; --check writes nothing and fails if the checked-in file differs.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateGrpc } from '../generate-grpc.ts';

const folder = import.meta.dirname;

generateGrpc('proto/csi', {
  folder,
  protos: { csi: readFileSync(join(folder, 'csi.proto'), 'utf8') },
  // Network file systems report sizes beyond what a number holds.
  options: ['forceLong=bigint'],
});
