// Unit tests stand beside the code (`*.test.ts`); what needs root, containerd or the network stands in e2e/ (`*.e2e.ts`).
const swc = ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript' } } }];

export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': swc },
  testMatch: ['**/*.test.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  // A hung test ends; a slow machine is no failure.
  testTimeout: 60_000,
  cacheDirectory: 'node_modules/.cache/jest',
};
