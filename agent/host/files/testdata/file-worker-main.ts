/** The other process as a program of its own, for tests. */
import { runFileWorker } from '../file-worker.ts';

await runFileWorker();
