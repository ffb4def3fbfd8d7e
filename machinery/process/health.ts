/**
 * Named health checks, rendered as upstream's `/healthz?verbose` does.
 */

/** @returns undefined when well, else why not */
export type HealthCheck = () => string | undefined | Promise<string | undefined>;

export class HealthChecks {
  private readonly checks = new Map<string, HealthCheck>();

  add(name: string, check: HealthCheck): void {
    this.checks.set(name, check);
  }

  remove(name: string): void {
    this.checks.delete(name);
  }

  /**
   * Runs all checks but those excluded; a check that throws is not well.
   * @param endpoint word in the last line of the text: `healthz`, `livez`, `readyz`
   */
  async run(endpoint: string, excluded: ReadonlySet<string> = new Set()): Promise<{ ok: boolean; text: string }> {
    let ok = true;
    const lines: string[] = [];
    for (const [name, check] of this.checks) {
      const why = excluded.has(name) ? undefined : await outcomeOf(check);
      ok &&= why === undefined;
      lines.push(
        why === undefined ? `[+]${name} ${excluded.has(name) ? 'excluded: ok' : 'ok'}` : `[-]${name} failed: ${why}`,
      );
    }
    return { ok, text: `${lines.join('\n')}\n${endpoint} check ${ok ? 'passed' : 'failed'}\n` };
  }
}

async function outcomeOf(check: HealthCheck): Promise<string | undefined> {
  try {
    return await check();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
