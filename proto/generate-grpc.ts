/** TypeScript of .proto files through buf and ts-proto: static code for @grpc/grpc-js. Works offline. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const bin = join(import.meta.dirname, '../node_modules/.bin');

/**
 * - enumsAsLiterals: the project allows erasable TypeScript syntax only.
 * - useOptionals=all without fromPartial and JSON: callers write only what they mean, and the code stays a third of the size.
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
  'snakeToCamel=keys',
  'env=node',
  'removeEnumPrefix=false',
  'annotateFilesWithVersion=false',
  'fileSuffix=.gen',
];

interface GrpcSources {
  /** The folder that holds the .proto files and gets `NAME.gen.ts` beside them. */
  readonly folder: string;
  /** Text of every .proto file by its name without ending. */
  readonly protos: Readonly<Record<string, string>>;
  /** Names of those that are made from something else, and so are written too. */
  readonly made?: readonly string[];
  /** How 64-bit integers come out, and what else differs. */
  readonly options: readonly string[];
}

/**
 * Writes what differs; with `--check` among the arguments it writes nothing and the process fails if a checked-in file differs.
 * @param folderName for messages: `proto/cri`
 */
export function generateGrpc(folderName: string, { folder, protos, made = [], options }: GrpcSources): void {
  const dir = mkdtempSync(join(tmpdir(), 'k8ts-proto-'));
  try {
    for (const [name, text] of Object.entries(protos)) writeFileSync(join(dir, `${name}.proto`), text);
    const files = [...made.map(name => `${name}.proto`), ...Object.keys(protos).map(name => `${name}.gen.ts`)];
    const opt = [...OPTIONS, ...options];
    const plugin = { local: [process.execPath, join(bin, 'protoc-gen-ts_proto')], out: dir, opt };
    const template = JSON.stringify({ version: 'v2', plugins: [plugin] });
    execFileSync(join(bin, 'buf'), ['generate', dir, '--template', template], { stdio: 'inherit' });

    const stale = files.filter(file => readOrEmpty(join(folder, file)) !== readFileSync(join(dir, file), 'utf8'));
    if (!process.argv.includes('--check')) {
      for (const file of stale) writeFileSync(join(folder, file), readFileSync(join(dir, file)));
    } else if (stale.length > 0) {
      console.error(`${folderName}: out of date: ${stale.join(', ')}; run: npx tsx ${folderName}/generate.ts`);
      process.exitCode = 1;
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
