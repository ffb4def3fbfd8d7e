/** Which pods belong to the target of an autoscaler, and whether another one claims them too. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Informer, Lister } from '../../../machinery/client/informer.ts';
import { parseLabelSelector, type LabelSelector } from '../../../machinery/meta/label-selector.ts';
import { splitKey } from '../../../machinery/meta/object.ts';
import { indexByLabels, selectedBy, SelectorIndex } from '../runtime/label-index.ts';

/** Why there are none: for the condition ScalingActive, and for an event. */
export interface Refusal {
  readonly kind: 'refused';
  readonly reason: string;
  readonly message: string;
  readonly eventReason: string;
  readonly eventMessage: string;
}

export interface Selected {
  readonly kind: 'selected';
  readonly selector: LabelSelector;
  readonly pods: readonly Pod[];
}

export class TargetPods {
  private readonly pods: Lister<Pod>;
  /** The newest selector of each autoscaler that has a target, by its key. */
  private readonly selectors = new SelectorIndex();

  constructor(pods: Informer<Pod>) {
    indexByLabels(pods);
    this.pods = pods.lister;
  }

  /** @param key of the autoscaler @param text `status.selector` of the target's scale */
  select(key: string, text: string): Selected | Refusal {
    if (text === '')
      return refusal('InvalidSelector', "the HPA target's scale is missing a selector", {
        reason: 'SelectorRequired',
        message: 'selector is required',
      });
    let selector: LabelSelector;
    try {
      selector = parseLabelSelector(text);
    } catch (error) {
      const why = (error as Error).message;
      return refusal(
        'InvalidSelector',
        `couldn't convert selector into a corresponding internal selector object: ${why}`,
      );
    }
    const { namespace } = splitKey(key);
    this.selectors.set(key, namespace, selector);
    const pods = selectedBy(this.pods, namespace, selector);
    const claimants = this.claimants(namespace, pods);
    if (claimants.length > 1) {
      const names = claimants.map(name => `{${name} ${namespace}}`).join(' ');
      return refusal('AmbiguousSelector', `pods by selector ${text} are controlled by multiple HPAs: [${names}]`);
    }
    return { kind: 'selected', selector, pods };
  }

  /** The autoscaler is gone, or its target is. */
  forget(key: string): void {
    this.selectors.delete(key);
  }

  /** Names of the autoscalers that some of these pods belong to, sorted. */
  private claimants(namespace: string, pods: readonly Pod[]): string[] {
    const keys = new Set(pods.flatMap(({ metadata }) => this.selectors.selecting(namespace, metadata.labels)));
    return [...keys].map(key => splitKey(key).name).sort();
  }
}

function refusal(reason: string, message: string, event = { reason, message }): Refusal {
  return { kind: 'refused', reason, message, eventReason: event.reason, eventMessage: event.message };
}
