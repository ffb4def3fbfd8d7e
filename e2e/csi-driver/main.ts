/**
 * A small CSI driver with its sidecars in one process, real enough to be mounted: file systems in memory, block devices on loops.
 *   tsx e2e/csi-driver/main.ts NAME KUBELET-ROOT STATE-FOLDER KUBECONFIG NODE-NAME
 *
 * STATE-FOLDER holds the volumes, `knobs.json` (see knobs.ts), and `calls.log`, one line a call.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { IdentityService, NodeService } from '../../proto/csi/csi.gen.ts';
import { RegistrationService } from '../../proto/plugins/registration/registration.gen.ts';
import { Knobs } from './knobs.ts';
import { nodeService, identityService } from './node-service.ts';
import { serve } from './serve.ts';
import { runSidecars } from './sidecars.ts';

const [name = '', kubeletRoot = '', state = '', kubeconfig = '', nodeName = ''] = process.argv.slice(2);
const endpoint = join(kubeletRoot, 'plugins', name, 'csi.sock');
const registration = join(kubeletRoot, 'plugins_registry', `${name}-reg.sock`);
mkdirSync(join(kubeletRoot, 'plugins', name), { recursive: true });
mkdirSync(state, { recursive: true });

const knobs = new Knobs(state);
const stopNode = await serve(endpoint, [
  [IdentityService, identityService(name)],
  [NodeService, nodeService({ name, nodeId: `id-of-${nodeName}`, state, knobs })],
]);
const stopRegistration = await serve(registration, [
  [
    RegistrationService,
    {
      getInfo: () => ({ type: 'CSIPlugin', name, endpoint, supportedVersions: ['1.0.0'] }),
      notifyRegistrationStatus: ({ pluginRegistered, error }) => {
        knobs.log(pluginRegistered === true ? 'registered' : `refused ${error ?? ''}`);
        return {};
      },
    },
  ],
]);
const stop = new AbortController();
const sidecars = runSidecars({ name, kubeconfig, state, knobs }, stop.signal);
process.once('SIGTERM', () => {
  stop.abort();
  void Promise.all([sidecars, stopNode(), stopRegistration()]).then(() => {
    rmSync(endpoint, { force: true });
    rmSync(registration, { force: true });
    process.exit(0);
  });
});
