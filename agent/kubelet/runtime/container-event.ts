/** What the kubelet hears about containers, whichever way the runtime tells it. */
import {
  ContainerDelete,
  TaskExit,
  TaskOOM,
  TaskStart,
  type Envelope,
} from '../../../proto/cri/containerd-events.gen.ts';
import { ContainerEventType, type ContainerEventResponse } from '../../../proto/cri/runtime.gen.ts';
import type { Decoded } from '../../../proto/decoded.ts';

/** One thing that happened to a container, or to a sandbox (then `containerId` is the sandbox's id). */
export interface ContainerEvent {
  readonly kind: 'started' | 'exited' | 'oom' | 'deleted';
  readonly containerId: string;
  /** Only where the runtime tells it. */
  readonly sandboxId?: string;
  readonly pid?: number;
  /** Of `exited`, where the runtime tells it; the container's status is the truth. */
  readonly exitCode?: number;
}

/** Events may have been missed: look at everything again. Comes first, and after each break. */
export interface GapEvent {
  readonly kind: 'gap';
}

/** Reads containerd's own event; undefined for what concerns no container as a whole (an exec's end). */
export function fromContainerdEvent(envelope: Decoded<Envelope>): ContainerEvent | undefined {
  const bytes = envelope.event?.value ?? new Uint8Array();
  switch (envelope.topic) {
    case '/tasks/start': {
      const { containerId = '', pid = 0 } = TaskStart.decode(bytes);
      return { kind: 'started', containerId, pid };
    }
    case '/tasks/exit': {
      const { containerId = '', id = '', pid = 0, exitStatus = 0 } = TaskExit.decode(bytes);
      if (id !== '' && id !== containerId) return undefined;
      return { kind: 'exited', containerId, pid, exitCode: exitStatus };
    }
    case '/tasks/oom':
      return { kind: 'oom', containerId: TaskOOM.decode(bytes).containerId ?? '' };
    case '/containers/delete':
      return { kind: 'deleted', containerId: ContainerDelete.decode(bytes).id ?? '' };
    default:
      return undefined;
  }
}

/** Reads an event of CRI; undefined for a creation, which its caller knows of already. */
export function fromCriEvent(event: Decoded<ContainerEventResponse>): ContainerEvent | undefined {
  const { containerId } = event;
  const sandboxId = event.podSandboxStatus?.id;
  const about = { containerId, ...(sandboxId === undefined ? {} : { sandboxId }) };
  switch (event.containerEventType) {
    case ContainerEventType.CONTAINER_CREATED_EVENT:
      return undefined;
    case ContainerEventType.CONTAINER_STARTED_EVENT:
      return { kind: 'started', ...about };
    case ContainerEventType.CONTAINER_STOPPED_EVENT: {
      const status = event.containersStatuses.find(s => s.id === containerId);
      return { kind: 'exited', ...about, ...(status === undefined ? {} : { exitCode: status.exitCode }) };
    }
    case ContainerEventType.CONTAINER_DELETED_EVENT:
      return { kind: 'deleted', ...about };
    default:
      return undefined;
  }
}
