/** What definitions are called: `io.k8s.api.core.v1.Pod`. Source: kube-openapi's naming of Go packages. */

/** The definition's name of type `name` in a package of the schema table. */
export function definitionName(packageKey: string, name: string): string {
  return `io.k8s.${packageKey.replaceAll('/', '.')}.${name}`;
}

export const QUANTITY = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
export const INT_OR_STRING = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';
export const RAW_EXTENSION = 'io.k8s.apimachinery.pkg.runtime.RawExtension';
