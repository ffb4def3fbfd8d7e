// lockfile.mjs [--check]: completes package-lock.json. A registry that lacks optional packages for other platforms leaves them out of the lock
// file, and `npm ci` then refuses it everywhere. What is needed of them to be passed over (version, system, processor) is known without asking.
import { readFileSync, writeFileSync } from 'node:fs';

const SYSTEMS = new Set([
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]);
const file = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(file, 'utf8'));
const missing = [];

for (const holder of Object.values({ ...lock.packages })) {
  for (const [name, version] of Object.entries(holder.optionalDependencies ?? {})) {
    const path = `node_modules/${name}`;
    if (lock.packages[path] !== undefined) continue;
    // @scope/binding-linux-arm64-musl: system, processor, C library.
    const words = name.split(/[-/]/);
    const at = words.findIndex(word => SYSTEMS.has(word));
    if (at < 0) throw new Error(`package-lock.json lacks ${name}, whose name tells of no platform; run npm install`);
    const [os, cpu = '', library = ''] = words.slice(at);
    const libc = os !== 'linux' ? '' : library.startsWith('musl') ? 'musl' : library === 'gnu' ? 'glibc' : '';
    missing.push(name);
    lock.packages[path] = {
      version,
      cpu: [cpu.replace(/^armv\d$/, 'arm')],
      ...(holder.dev ? { dev: true } : {}),
      ...(libc === '' ? {} : { libc: [libc] }),
      optional: true,
      os: [os],
    };
  }
}
if (missing.length > 0 && process.argv.includes('--check')) {
  console.error(
    `package-lock.json lacks ${missing.length} packages of other platforms: node deploy/lockfile.mjs adds them`,
  );
  process.exit(1);
}
if (missing.length > 0) {
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
  writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
}
