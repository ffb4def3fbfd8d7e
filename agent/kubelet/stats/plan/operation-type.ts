/** What upstream calls a call of CRI in its metrics: `RunPodSandbox` is `run_podsandbox`, `UpdateContainerResources` is `update_container`. */
export function operationType(method: string): string {
  if (method === 'UpdateContainerResources') return 'update_container';
  const words = method.replaceAll('PodSandbox', 'Podsandbox').match(/[A-Z][a-z]*/g) ?? [method];
  return words.map(word => word.toLowerCase()).join('_');
}
