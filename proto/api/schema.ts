/**
 * The schema table of the Kubernetes API at run time: every type with its fields' JSON names, types, protobuf numbers, patch and list
 * keys. It is data, shared by all; machinery/meta/schema.ts gives it meaning. Package keys are those of upstream's source tree:
 * `api/core/v1`, `apimachinery/pkg/apis/meta/v1`.
 */
import builtin from './table/k8s-api-1.36.json' with { type: 'json' };
import more from './table/k8s-api-more.json' with { type: 'json' };
// Newer than what stands of it in the table before.
import kubeletConfig from './table/kubelet-config-1.36.json' with { type: 'json' };
import schedulerConfig from './table/scheduler-config-1.36.json' with { type: 'json' };

/** One field. `type` is a reference as in upstream's source: `[]Container`, `map[string]string`, `*int32`, `metav1.ObjectMeta`. */
export interface RawField {
  name: string;
  type: string;
  /** `number:wiretype`, e.g. `2:bytes`. */
  proto?: string;
  optional?: boolean;
  inline?: boolean;
  listType?: 'atomic' | 'set' | 'map';
  listMapKeys?: string[];
  /** Comma-separated: `merge`, `replace`, `retainKeys`. */
  patchStrategy?: string;
  patchMergeKey?: string;
  mapType?: 'atomic' | 'granular';
  structType?: 'atomic' | 'granular';
  default?: unknown;
  featureGate?: string;
}

/** A struct (`fields`), or another name for a type (`alias`), with the values that an enumeration allows. */
export interface RawType {
  fields?: RawField[];
  alias?: string;
  enum?: string[];
}

/** Types by package and name. */
export type ApiTable = Readonly<Record<string, Readonly<Record<string, RawType>>>>;

/** Every type that this version of the API knows. */
export const apiTable: ApiTable = {
  ...(builtin as ApiTable),
  ...(more as ApiTable),
  ...(kubeletConfig as ApiTable),
  ...(schedulerConfig as ApiTable),
};
