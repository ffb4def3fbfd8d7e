/** What k8ts has to do with systemd where that runs: its units may be installed, may run it, and go with a reset. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { optionTable } from './config.ts';
import type { Paths } from './paths.ts';

const UNITS = ['k8ts.service', 'k8ts-server.service', 'k8ts-agent.service'];
const UNIT_DIR = '/etc/systemd/system';

/** The unit of ours that the process belongs to. */
export function unitOfProcess(pid: number): string | undefined {
  try {
    const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
    return UNITS.find(unit => new RegExp(`/${unit.replaceAll('.', '\\.')}$`, 'm').test(groups));
  } catch {
    return undefined;
  }
}

/** Units of ours that are installed; none for a k8ts in other places than the usual, which is not theirs. */
export function installedUnits(paths: Pick<Paths, 'runDir'>): string[] {
  if (paths.runDir !== optionTable['run-dir'].default || !existsSync('/run/systemd/system')) return [];
  return UNITS.filter(unit => existsSync(join(UNIT_DIR, unit)));
}

/** Stops and removes them; gives their names. */
export function removeUnits(paths: Pick<Paths, 'runDir'>): string[] {
  const units = installedUnits(paths);
  for (const unit of units) {
    execFileSync('systemctl', ['disable', '--now', '--quiet', unit], { stdio: ['ignore', 'ignore', 'pipe'] });
    rmSync(join(UNIT_DIR, unit), { force: true });
  }
  if (units.length > 0) execFileSync('systemctl', ['daemon-reload'], { stdio: 'ignore' });
  return units;
}
