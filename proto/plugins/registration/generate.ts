/**
 * Writes the TypeScript of registration.proto.
 * Usage: `npx tsx proto/plugins/registration/generate.ts [--check]`; --check writes nothing and fails if the checked-in file differs.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateGrpc } from '../../generate-grpc.ts';

const folder = import.meta.dirname;

generateGrpc('proto/plugins/registration', {
  folder,
  protos: { registration: readFileSync(join(folder, 'registration.proto'), 'utf8') },
  options: [],
});
