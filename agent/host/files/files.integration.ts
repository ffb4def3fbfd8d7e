/** Paths, groups and mounts as they really are, on file systems that answer and on one that never does; needs root. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, open, readFile, rm, stat, symlink, writeFile, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../../machinery/process/clock.ts';
import { run } from '../exec.ts';
import { loadLibc } from '../libc.ts';
import { readMountinfo } from '../mountinfo.ts';
import { releaseMounts } from '../release-mounts.ts';
import { bindSubPath } from './bind-sub-path.ts';
import { giveToGroup } from './give-to-group.ts';
import { GuardedFiles } from './guarded-files.ts';
import { foreignMountOf } from './local-place.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8ts-files-'));
});
afterEach(async () => {
  await releaseMounts(dir);
  await rm(dir, { recursive: true, force: true });
});
