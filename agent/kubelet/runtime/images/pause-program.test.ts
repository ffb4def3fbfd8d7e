import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { pauseProgram } from './pause-program.ts';

const native = process.arch === 'x64' ? 'amd64' : process.arch === 'arm64' ? 'arm64' : undefined;

describe('pauseProgram()', () => {
  test.each(['amd64', 'arm64'] as const)(
    'is one small loadable segment that begins with the file, for %s',
    architecture => {
      const program = pauseProgram(architecture);
      expect(program.subarray(0, 4).toString('latin1')).toBe('\x7fELF');
      expect(program.length).toBeLessThan(400);
      expect(Number(program.readBigUInt64LE(64 + 32))).toBe(program.length);
      // The handler that the first signal action names lies inside the file, and its restorer is the same.
      const action = program.subarray(program.length - 64);
      const handler = Number(action.readBigUInt64LE(0)) - 0x400000;
      expect(handler).toBeGreaterThan(120);
      expect(handler).toBeLessThan(program.length - 64);
      expect(action.readBigUInt64LE(16)).toBe(action.readBigUInt64LE(0));
    },
  );

  test('arm64: words are the instructions that an assembler gives', () => {
    const program = pauseProgram('arm64');
    const words = Array.from({ length: 6 }, (_, i) => program.readUInt32LE(120 + i * 4).toString(16));
    // mov x0,#15; adr x1,+N; mov x2,#0; mov x3,#8; mov x8,#134; svc #0
    expect([words[0], ...words.slice(2)]).toEqual(['d28001e0', 'd2800002', 'd2800103', 'd28010c8', 'd4000001']);
    const adr = program.readUInt32LE(124);
    const distance = (((adr >> 5) & 0x7ffff) << 2) | ((adr >>> 29) & 3);
    expect(124 + distance).toBe(program.length - 64);
    const handler = Number(program.subarray(program.length - 64).readBigUInt64LE(0)) - 0x400000;
    expect(program.readUInt32LE(handler).toString(16)).toBe('d2800000');
    // The branch before the handler goes back seven instructions.
    expect(program.readUInt32LE(handler - 4).toString(16)).toBe('17fffff9');
  });

  (native === undefined ? test.skip : test).each(['SIGTERM', 'SIGINT'] as const)(
    'ends with code 0 at %s',
    async signal => {
      const dir = mkdtempSync(join(tmpdir(), 'k8ts-pause-'));
      try {
        const path = join(dir, 'pause');
        writeFileSync(path, pauseProgram(native ?? 'amd64'), { mode: 0o755 });
        const child = spawn(path, { stdio: 'ignore' });
        await once(child, 'spawn');
        // SIGCHLD must not end it; it is delivered before the signal that does.
        let ended = false;
        child.once('exit', () => (ended = true));
        const timer = setInterval(() => child.kill(signal), 20);
        child.kill('SIGCHLD');
        const [code, killedBy] = (await once(child, 'exit')) as [number | null, string | null];
        clearInterval(timer);
        expect(ended).toBe(true);
        expect([code, killedBy]).toEqual([0, null]);
      } finally {
        rmSync(dir, { recursive: true });
      }
    },
  );
});
