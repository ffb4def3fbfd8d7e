/**
 * What the driver is told to do wrong: `knobs.json` in its state folder, read at each call.
 *   { "hang": ["NodePublishVolume pvc-1"], "fail": ["NodeStageVolume"], "abnormal": "disk on fire" }
 * A call hangs or fails when a rule is its name, alone or with a volume's handle. What hangs goes on once the rule is gone.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { CallError } from './serve.ts';

export interface KnobSettings {
  readonly hang?: readonly string[];
  readonly fail?: readonly string[];
  readonly abnormal?: string;
}

export class Knobs {
  private readonly state: string;

  constructor(state: string) {
    this.state = state;
  }

  get settings(): KnobSettings {
    try {
      return JSON.parse(readFileSync(join(this.state, 'knobs.json'), 'utf8')) as KnobSettings;
    } catch {
      return {};
    }
  }

  log(line: string): void {
    appendFileSync(join(this.state, 'calls.log'), `${line}\n`);
  }

  /** Before a call does its work. @throws CallError when it is to fail */
  async pass(call: string, handle: string): Promise<void> {
    this.log(`${call} ${handle}`);
    const names = (rules: readonly string[] | undefined): boolean =>
      (rules ?? []).some(rule => rule === call || rule === `${call} ${handle}`);
    while (names(this.settings.hang)) await sleep(50);
    if (names(this.settings.fail)) throw new CallError(status.INTERNAL, `${call} was told to fail`);
  }
}
