// Builds the one bundle, dist/k8ts.mjs. Native packages stay outside: they find their binaries beside their own files.
import { chmodSync, readFileSync } from 'node:fs';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

await build({
  entryPoints: ['cli/main.ts'],
  outfile: 'dist/k8ts.mjs',
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
    js: "#!/usr/bin/env node\nimport { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
chmodSync('dist/k8ts.mjs', 0o755);
