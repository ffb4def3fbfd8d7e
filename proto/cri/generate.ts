/**
 * Writes runtime.proto from the facts table cri-v1.json, and the TypeScript of both .proto files through buf and ts-proto.
 * Works offline. Usage: `npx tsx proto/cri/generate.ts [--check]`; --check writes nothing and fails if a checked-in file differs.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renderProto, type ProtoTable } from './render-proto.ts';

const here = import.meta.dirname;
const bin = join(here, '../../node_modules/.bin');

/**
 * - enumsAsLiterals: the project allows erasable TypeScript syntax only.
 * - useOptionals=all without fromPartial and JSON: callers write only what they mean, and the code stays a third of the size.
 * - forceLong=bigint: CRI timestamps are nanoseconds, beyond what a number holds.
 */
const OPTIONS = [
  'outputServices=grpc-js',
  'esModuleInterop=true',
  'enumsAsLiterals=true',
  'unrecognizedEnum=false',
  'useOptionals=all',
  'outputPartialMethods=false',
  'outputJsonMethods=false',
  'exportCommonSymbols=false',
  'forceLong=bigint',
  'snakeToCamel=keys',
  'env=node',
  'removeEnumPrefix=false',
  'annotateFilesWithVersion=false',
  'fileSuffix=.gen',
];

function main(check: boolean): void {
  const table = JSON.parse(readFileSync(join(here, 'cri-v1.json'), 'utf8')) as ProtoTable;
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-proto-'));
  try {
    const files = ['runtime.proto', 'runtime.gen.ts', 'containerd-events.gen.ts'];
    writeFileSync(join(dir, 'runtime.proto'), renderProto(table));
    writeFileSync(join(dir, 'containerd-events.proto'), readFileSync(join(here, 'containerd-events.proto')));
    const plugin = { local: [process.execPath, join(bin, 'protoc-gen-ts_proto')], out: dir, opt: OPTIONS };
    execFileSync(
      join(bin, 'buf'),
      ['generate', dir, '--template', JSON.stringify({ version: 'v2', plugins: [plugin] })],
      {
        stdio: 'inherit',
      },
    );

    const stale = files.filter(file => readOrEmpty(join(here, file)) !== readFileSync(join(dir, file), 'utf8'));
    if (check && stale.length > 0) {
      console.error(`proto/cri: out of date: ${stale.join(', ')}; run: npx tsx proto/cri/generate.ts`);
      process.exitCode = 1;
    } else if (!check) {
      for (const file of stale) writeFileSync(join(here, file), readFileSync(join(dir, file)));
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

main(process.argv.includes('--check'));
