// Builds the one bundle: node deploy/build.mjs [FILE], by default dist/k8ts.mjs; FILE has to lie inside of this tree. Native packages stay outside: they find their binaries beside their own files.
import { chmodSync, readFileSync } from 'node:fs';
import { build } from 'esbuild';

const outfile = process.argv[2] ?? 'dist/k8ts.mjs';
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

// A young generation of half the size, and an old one that grows by half: V8's own choice lets garbage reach three times what is alive
// (195 MB instead of 150 MB with 10,000 objects just loaded) for some speed.
const HEAP_FLAGS = '--max-semi-space-size=8 --heap-growing-percent=50';
// grpc-js names the host that it connects to even if it is an address (etcd at https://10.0.0.5:2379): nothing that whoever runs k8ts could change.
const WARNING_FLAGS = '--disable-warning=DEP0123';

await build({
  entryPoints: ['cli/main.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  external: ['@photostructure/sqlite', 'koffi'],
  define: { K8TS_VERSION: JSON.stringify(version) },
  // Packages written as CommonJS ask for Node's own modules with require().
  banner: {
    js: `#!/usr/bin/env -S node ${HEAP_FLAGS} ${WARNING_FLAGS}\nimport { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);`,
  },
  logLevel: 'warning',
});
chmodSync(outfile, 0o755);
