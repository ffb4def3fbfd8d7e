/**
 * Writes the TypeScript of device-plugin.proto.
 * Usage: `npx tsx proto/plugins/devices/generate.ts [--check]`; --check writes nothing and fails if the checked-in file differs.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateGrpc } from '../../generate-grpc.ts';

const folder = import.meta.dirname;

generateGrpc('proto/plugins/devices', {
  folder,
  protos: { 'device-plugin': readFileSync(join(folder, 'device-plugin.proto'), 'utf8') },
  options: [],
});
