/** Kernel modules, where there are any: many kernels have everything built in, and then nothing is to load. */
import { CommandError } from './command-error.ts';
import { run } from './exec.ts';

/** Tries to load a module. False is no error: test for the feature itself. */
export async function tryLoadModule(name: string): Promise<boolean> {
  try {
    await run(['modprobe', name]);
    return true;
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
}
