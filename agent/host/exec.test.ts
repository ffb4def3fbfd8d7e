import { describe, expect, test } from '@jest/globals';
import { CommandError } from './command-error.ts';
import { run, type RunOptions } from './exec.ts';

async function failureOf(argv: readonly string[], options?: RunOptions): Promise<CommandError> {
  const error = await run(argv, options).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(CommandError);
  return error as CommandError;
}

describe('run()', () => {
  test('gives both outputs apart', async () => {
    expect(await run(['sh', '-c', 'echo out; echo err >&2'])).toEqual({ stdout: 'out\n', stderr: 'err\n' });
  });

  test('feeds the input', async () => {
    const input = 'x'.repeat(300_000);
    expect((await run(['cat'], { input })).stdout).toBe(input);
  });

  test('does not mind a child that leaves its input unread', async () => {
    expect((await run(['true'], { input: 'x'.repeat(300_000) })).stdout).toBe('');
  });

  test('passes arguments without a shell', async () => {
    expect((await run(['printf', '%s', '$HOME; "a b"'])).stdout).toBe('$HOME; "a b"');
  });

  test('tells exit code and standard error', async () => {
    const error = await failureOf(['sh', '-c', 'echo no >&2; exit 7']);
    expect(error).toMatchObject({ exitCode: 7, stderr: 'no\n', argv: ['sh', '-c', 'echo no >&2; exit 7'] });
    expect(error.message).toContain('exit code 7: no');
  });

  test('tells the signal that killed the child', async () => {
    expect(await failureOf(['sh', '-c', 'kill -9 $$'])).toMatchObject({ exitCode: undefined, killedBy: 'SIGKILL' });
  });

  test('names a command that does not exist', async () => {
    expect(await failureOf(['no-such-command-anywhere'])).toMatchObject({ reason: 'command not found' });
  });

  test('kills the whole group at the timeout, grandchildren that hold the pipes included', async () => {
    const error = await failureOf(['sh', '-c', 'sleep 30 & sleep 30'], { timeoutMs: 50 });
    expect(error.reason).toContain('50 ms');
    expect(error.durationMs).toBeLessThan(5_000);
  });

  test('bounds the output', async () => {
    expect((await failureOf(['yes'], { maxOutputBytes: 10_000 })).reason).toContain('10000 bytes');
  });

  test('rejects with the reason of the abort', async () => {
    const abort = new AbortController();
    const running = run(['sleep', '30'], { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    await expect(run(['true'], { signal: abort.signal })).rejects.toThrow('enough');
  });
});
