/**
 * The structs that server-side apply owns as a whole. The table has tags of fields alone; these stand on the types.
 * Source: `+structType=atomic` in upstream's API types, 1.36.
 */
const CORE = [
  'ConfigMapKeySelector',
  'EndpointAddress',
  'EndpointPort',
  'FileKeySelector',
  'LocalObjectReference',
  'NodeSelector',
  'NodeSelectorTerm',
  'ObjectFieldSelector',
  'ObjectReference',
  'ResourceFieldSelector',
  'ScopeSelector',
  'ScopedResourceSelectorRequirement',
  'SecretKeySelector',
  'SecretReference',
  'TopologySelectorTerm',
  'TypedLocalObjectReference',
];

/** Keys are `package.Type`. */
export const ATOMIC_STRUCTS: ReadonlySet<string> = new Set([
  ...CORE.map(name => `api/core/v1.${name}`),
  'apimachinery/pkg/apis/meta/v1.LabelSelector',
  'api/autoscaling/v1.CrossVersionObjectReference',
  'api/autoscaling/v2.CrossVersionObjectReference',
  'api/discovery/v1.EndpointPort',
  'api/networking/v1.ServiceBackendPort',
  'api/rbac/v1.RoleRef',
  'api/rbac/v1.Subject',
]);
