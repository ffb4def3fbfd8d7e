/** Takes away what runs without an owner left on this host: `tsx e2e/sweep/main.ts`. Safe to run at any time. */
import { sweepEstates } from '../machine/estate.ts';

for (const id of await sweepEstates()) console.log(`swept what the run ${id} left`);
