/**
 * Writes the TypeScript of pod-resources.proto.
 * Usage: `npx tsx proto/plugins/pod-resources/generate.ts [--check]`; --check writes nothing and fails if the checked-in file differs.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateGrpc } from '../../generate-grpc.ts';

const folder = import.meta.dirname;

generateGrpc('proto/plugins/pod-resources', {
  folder,
  protos: { 'pod-resources': readFileSync(join(folder, 'pod-resources.proto'), 'utf8') },
  options: [],
});
