/**
 * Tells the API which CSI drivers this node has: its CSINode, and the node's labels and annotation.
 * Source: kubernetes `pkg/volume/csi/nodeinfomanager`.
 */
import type { Client } from '../../../../machinery/client/client.ts';
import { csiNodes, nodes } from '../../../../machinery/client/resource.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { hasReason, isNotFound } from '../../../../machinery/meta/status-error-from.ts';
import type { Decoded } from '../../../../proto/decoded.ts';
import type { NodeGetInfoResponse } from '../../../../proto/csi/csi.gen.ts';
import type { CSINode } from '../../../../proto/api/storage-v1.ts';
import {
  NODE_ID_ANNOTATION,
  nodePatch,
  withDriver,
  withoutDriver,
  withoutNodeId,
  withoutStale,
} from './plan/node-drivers.ts';

const ATTEMPTS = 10;

export class NodeDrivers {
  private readonly client: Client;
  private readonly nodeName: string;
  /** One change at a time: drivers share the objects. */
  private tail: Promise<unknown> = Promise.resolve();

  constructor(client: Client, nodeName: string) {
    this.client = client;
    this.nodeName = nodeName;
  }

  /** The node's CSINode, made if there is none. */
  ensure(signal: AbortSignal): Promise<void> {
    return this.inTurn(async () => void (await this.current(signal)));
  }

  /** @throws Error when the driver's answer is not fit, StatusError as the server said */
  add(driver: string, info: Decoded<NodeGetInfoResponse>, signal: AbortSignal): Promise<void> {
    return this.inTurn(async () => {
      if (info.nodeId === '') throw new Error(`CSI driver ${driver} gave no node id in NodeGetInfo`);
      const node = await this.client.of(nodes).get({ name: this.nodeName }, signal);
      const patch = nodePatch(node, driver, info);
      if (patch !== undefined)
        await this.client.of(nodes).patch({ name: this.nodeName }, patch, { type: 'merge', signal });
      // Who a driver is may not change in place.
      await this.change(csiNode => withoutStale(csiNode, driver, info), signal);
      await this.change(csiNode => withDriver(csiNode, driver, info), signal);
    });
  }

  remove(driver: string, signal: AbortSignal): Promise<void> {
    return this.inTurn(async () => {
      await this.change(csiNode => withoutDriver(csiNode, driver), signal);
      const node = await this.client.of(nodes).get({ name: this.nodeName }, signal);
      const value = withoutNodeId(node, driver);
      if (value === undefined) return;
      const patch = { metadata: { annotations: { [NODE_ID_ANNOTATION]: value } } };
      await this.client.of(nodes).patch({ name: this.nodeName }, patch, { type: 'merge', signal });
    });
  }

  private async change(next: (csiNode: CSINode) => CSINode, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const csiNode = await this.current(signal);
      const wanted = next(csiNode);
      if (jsonEquals(wanted.spec, csiNode.spec)) return;
      try {
        await this.client.of(csiNodes).update(wanted, { signal });
        return;
      } catch (error) {
        if (!hasReason(error, 'Conflict') || attempt >= ATTEMPTS) throw error;
      }
    }
  }

  private async current(signal: AbortSignal): Promise<CSINode> {
    const { client, nodeName: name } = this;
    try {
      return await client.of(csiNodes).get({ name }, signal);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    const { metadata } = await client.of(nodes).get({ name }, signal);
    const owner = { apiVersion: 'v1', kind: 'Node', name, uid: metadata.uid ?? '' };
    const fresh: CSINode = {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSINode',
      metadata: { name, ownerReferences: [owner] },
      spec: { drivers: [] },
    };
    return client.of(csiNodes).create(fresh, { signal });
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.tail.then(work);
    this.tail = result.catch(() => undefined);
    return result;
  }
}
