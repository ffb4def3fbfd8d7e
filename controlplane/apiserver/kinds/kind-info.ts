/** Finds a built-in kind's row in the table of kinds. */
import { betaKinds, kinds, type KindInfo } from '../../../proto/api/kinds.ts';

/** The row of `kind` in `group`; of `version`, where a group has several. */
export function kindInfo(group: string, kind: string, version?: string): KindInfo {
  const info = [...kinds, ...betaKinds].find(
    k => k.group === group && k.kind === kind && (version === undefined || k.version === version),
  );
  if (info === undefined) throw new Error(`no built-in kind ${kind} in group "${group}"`);
  return info;
}
