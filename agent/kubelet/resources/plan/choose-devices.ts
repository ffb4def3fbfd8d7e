/** Which devices of a resource a container could get as things are now. */
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { NotEnoughError } from './admission-failure.ts';
import { beginChoice, type DeviceChoice } from './device-choice.ts';
import { freeDevices, reusableDevices, type DeviceGrants, type DeviceResource } from './device-state.ts';
import type { NumaMask } from './numa-mask.ts';

/** @throws NotEnoughError in upstream's words */
export function chooseDevices(
  name: string,
  resource: DeviceResource,
  grants: DeviceGrants,
  pod: Pod,
  count: number,
  nodes: NumaMask | undefined,
): DeviceChoice {
  const isHealthy = (id: string): boolean => resource.devices.get(id)?.healthy === true;
  if (!resource.connected || ![...resource.devices.keys()].some(isHealthy))
    throw new NotEnoughError(`no healthy devices present; cannot allocate unhealthy devices ${name}`);
  const reusable = reusableDevices(grants, pod, name).filter(isHealthy);
  const free = freeDevices(resource, grants, name);
  const needed = Math.max(0, count - reusable.length);
  if (free.length < needed) {
    const message = `requested number of devices unavailable for ${name}. Requested: ${needed}, Available: ${free.length}`;
    throw new NotEnoughError(message);
  }
  return beginChoice({ count, free, reusable, nodes });
}
