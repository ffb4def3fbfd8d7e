/**
 * The socket on which device plugins make themselves known: `device-plugins/kubelet.sock`. Plugins watch its folder: a socket that is made
 * anew tells them that the kubelet restarted, and they register again.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isExtendedResource } from '../../../../machinery/validation/resource-list.ts';
import { RegistrationService, type DevicePluginOptions } from '../../../../proto/plugins/devices/device-plugin.gen.ts';
import { CallRefusal, GrpcServer } from '../../runtime/grpc-server.ts';

export const DEVICE_PLUGIN_API = 'v1beta1';

/** A plugin that may be used. */
export interface RegisteredPlugin {
  readonly resource: string;
  readonly socketPath: string;
  readonly options: DevicePluginOptions;
}

/**
 * Takes away sockets of before, then listens until `signal` aborts.
 * @param folder absolute; made if missing
 * @throws Error when nothing can listen there
 */
export async function serveRegistration(
  folder: string,
  onPlugin: (plugin: RegisteredPlugin) => void,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o750 });
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isSocket()) await rm(join(folder, entry.name), { force: true });
  const server = new GrpcServer().answer(RegistrationService.register, request => {
    checkPlugin(request.resourceName, [request.version]);
    onPlugin({
      resource: request.resourceName,
      socketPath: join(folder, request.endpoint),
      options: request.options ?? {},
    });
    return {};
  });
  await server.listen(join(folder, 'kubelet.sock'));
  if (signal.aborted) server.close();
  signal.addEventListener('abort', () => server.close(), { once: true });
}

/** @throws CallRefusal in upstream's words */
export function checkPlugin(resource: string, versions: readonly string[]): void {
  if (!versions.includes(DEVICE_PLUGIN_API)) {
    const message = `requested API version ${JSON.stringify(versions.join(','))} is not supported by kubelet. Supported version is ${JSON.stringify(DEVICE_PLUGIN_API)}`;
    throw new CallRefusal('InvalidArgument', message);
  }
  if (!isExtendedResource(resource))
    throw new CallRefusal('InvalidArgument', `the ResourceName ${JSON.stringify(resource)} is invalid`);
}
