// The layers of the house (docs/architecture.md): proto <- machinery <- agent | controlplane <- cli; left never imports right.
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });
const test = '\\.(test|integration)\\.ts$|/testdata/';

export default {
  forbidden: [
    rule('no-cycles', 'imports form no cycle', {}, { circular: true }),
    rule(
      'proto-alone',
      'proto imports nothing of ours',
      { path: '^proto/' },
      { path: '^(machinery|agent|controlplane|cli|e2e)/' },
    ),
    rule(
      'machinery-below',
      'machinery knows no kubelet and no API server',
      { path: '^machinery/' },
      { path: '^(agent|controlplane|cli|e2e)/' },
    ),
    rule('agent-apart', 'agent never imports controlplane', { path: '^agent/' }, { path: '^(controlplane|cli|e2e)/' }),
    rule(
      'controlplane-apart',
      'controlplane never imports agent',
      { path: '^controlplane/' },
      { path: '^(agent|cli|e2e)/' },
    ),
    rule('cli-roots', 'nobody imports a composition root', { path: '^(?!cli/)' }, { path: '^cli/' }),
    rule('e2e-outside', 'e2e talks to processes', { path: '^e2e/' }, { path: '^(agent|controlplane|cli)/' }),
    rule(
      'store-behind-apiserver',
      'only apiserver/ imports store/',
      { path: '^controlplane/(?!apiserver/|store/)', pathNot: test },
      { path: '^controlplane/store/' },
    ),
    rule(
      'store-knows-no-server',
      'the store knows no server',
      { path: '^controlplane/store/' },
      { path: '^controlplane/(?!store/)' },
    ),
    rule(
      'apiserver-through-client',
      'scheduler and controllers use machinery/client',
      { path: '^controlplane/(scheduler|controllers)/', pathNot: test },
      { path: '^controlplane/apiserver/' },
    ),
    rule(
      'server-knows-no-client',
      'the API server does not import scheduler or controllers',
      { path: '^controlplane/apiserver/' },
      { path: '^controlplane/(scheduler|controllers|cloud)/' },
    ),
    rule(
      'kubelet-proxy-apart',
      'kubelet and proxy never import each other',
      { path: '^agent/kubelet/' },
      { path: '^agent/(proxy|dns|policy)/' },
    ),
    rule(
      'proxy-kubelet-apart',
      'kubelet and proxy never import each other',
      { path: '^agent/(proxy|dns|network|policy)/' },
      { path: '^agent/kubelet/' },
    ),
    rule('host-alone', 'host knows only the machine', { path: '^agent/host/' }, { path: '^agent/(?!host/)' }),
    rule(
      'node-iptables-alone',
      'node-iptables could be published',
      { path: '^agent/node-iptables/' },
      { path: '^(?!agent/node-iptables/|node_modules/)', dependencyTypesNot: ['core'] },
    ),
    rule(
      'process-through-host',
      'only host/, node-iptables/ and the composition roots start processes',
      {
        path: '^(agent|controlplane|machinery|proto)/',
        pathNot: `^agent/(host|node-iptables)/|/generate(-grpc)?\\.ts$|${test}`,
      },
      { path: '^(node:)?child_process$' },
    ),
    rule(
      'grpc-at-its-place',
      'gRPC is spoken through kubelet/runtime alone, etcd in store/etcd',
      { path: '^(?!agent/kubelet/runtime/|controlplane/store/etcd/|proto/(cri|etcd|csi|plugins)/|e2e/)' },
      { path: '^node_modules/@grpc/' },
    ),
    rule(
      'plans-are-pure',
      'a plan imports proto, machinery/meta, the rules of objects and other plans; of Node only crypto and buffer',
      { path: '(^|/)plan(/|\\.ts$)', pathNot: test },
      { pathNot: '^proto/|^machinery/(meta|pods|validation)/|(^|/)plan(/|\\.ts$)|^(node:)?(crypto|buffer)$' },
    ),
    rule(
      'no-dev-at-run-time',
      'the product needs no development package',
      { path: '^(agent|controlplane|machinery|cli|proto)/', pathNot: `${test}|generate` },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg'] },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|node_modules/\\.cache)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.js', '.json', '.d.ts'],
    },
  },
};
