/**
 * Puts the parts of the API server together: storage, resources, authorizers, admission, handlers, filters. Decides nothing.
 */
import type { Client } from '../../machinery/client/client.ts';
import type { AnyObject } from '../../machinery/client/resource.ts';
import { hostPort } from '../../machinery/meta/host-port.ts';
import { schemaOf } from '../../machinery/meta/schema-table.ts';
import { ServiceAccountTokens } from '../../machinery/pki/service-account-tokens.ts';
import {
  DEFAULT_ISSUER,
  DEFAULT_NODE_PORTS,
  DEFAULT_SERVICE_CIDR,
  type ApiServerOptions,
} from './api-server-options.ts';
import { AdmissionChain, type AdmissionPlugin } from './admission/admission.ts';
import { admissionPlugins } from './admission/plugins.ts';
import { bootstrapAuthenticator } from './authn/bootstrap-authenticator.ts';
import { serviceAccountUser } from './authn/service-account-authenticator.ts';
import { mastersAuthorizer, UnionAuthorizer } from './authz/authorizer.ts';
import { NodeAuthorizer } from './authz/node-authorizer.ts';
import { RbacAuthorizer } from './authz/rbac-authorizer.ts';
import { RbacCache } from './authz/rbac-cache.ts';
import { NODE_RULES } from './bootstrap/cluster-roles.ts';
import { componentStatuses, type ComponentCheck } from './discovery/component-statuses.ts';
import { Discovery } from './discovery/discovery.ts';
import { ApiMetrics } from './discovery/metrics.ts';
import { nonResourceHandler } from './discovery/non-resource-handler.ts';
import { filterChain, guardChain } from './filters/chain.ts';
import { DEFAULT_IN_FLIGHT } from './filters/in-flight.ts';
import type { TokenAuthenticator } from './filters/authenticate.ts';
import { OpenApiDocuments } from './discovery/open-api-documents.ts';
import { healthChecks } from './discovery/health-checks.ts';
import { metricsResources } from './metrics-api/metrics-resources.ts';
import { NodeUsages } from './metrics-api/node-usages.ts';
import { getFromKubelet } from './proxying/get-from-kubelet.ts';
import { kubeletAddress } from './proxying/kubelet-address.ts';
import { podConnectSubresources } from './proxying/pod-connect.ts';
import { proxySubresource, type ProxyOptions } from './proxying/proxy-subresources.ts';
import { convertedKinds } from './kinds/strategies.ts';
import { managedFieldOwnership } from './registry/managed-field-ownership.ts';
import { noCustomResources } from './registry/no-custom-resources.ts';
import { ResourceSet } from './registry/resource-set.ts';
import { servedKinds } from './registry/runtime-config.ts';
import { servedResources } from './registry/served-resources.ts';
import { subresourcesOf } from './registry/subresources-of.ts';
import { resourceHandler } from './rest/resource-handler.ts';
import type { RestParts } from './rest/rest-parts.ts';
import { accessReviews } from './reviews/access-reviews.ts';
import { authenticationReviews, type TokenLookup } from './reviews/authentication-reviews.ts';
import { compose, type Handler } from './server/exchange.ts';
import { serviceHoldings } from './services/service-holdings.ts';
import type { ServiceRepair } from './services/service-repair.ts';
import { openStorage } from './storage/open-storage.ts';
import type { ResourceStorage, Storage } from './storage/storage.ts';
import { bindingResource, bindingSubresource } from './subresources/binding.ts';
import { evictionSubresource } from './subresources/eviction.ts';
import { tokenSubresource } from './subresources/token.ts';

export interface Assembly {
  readonly storage: Storage;
  readonly resources: ResourceSet;
  readonly rbacCache: RbacCache;
  readonly firstServiceAddress: string;
  /** Compares what Services hold with the records of it; its events go to `client`. */
  serviceRepair(client: Client): ServiceRepair;
  readonly handler: Handler;
  /** What runs beside the server, for ComponentStatus; whoever starts it puts it in. */
  readonly parallelParts: Map<string, ComponentCheck>;
  /** The same authentication and authorization before another handler. */
  guarded(handler: Handler): Handler;
  /** The default objects exist: /readyz may say so. */
  markBootstrapped(): void;
  /** /readyz says that nothing new is to come. */
  markStopping(): void;
}

export function assemble(options: ApiServerOptions): Assembly {
  const { store, clock, logger } = options;
  const parallelParts = new Map<string, ComponentCheck>();
  const kinds = servedKinds(options.runtimeConfig ?? []);
  const resources = new ResourceSet();
  const metrics = new ApiMetrics(resources);
  const storage = openStorage({
    store,
    keyPrefix: options.storeKeyPrefix,
    clock,
    logger,
    observe: (operation, { group, resource }, seconds) => metrics.observeStore(operation, group, resource, seconds),
  });
  const holdings = serviceHoldings({
    storage,
    clock,
    logger,
    serviceCIDR: options.serviceCIDR ?? DEFAULT_SERVICE_CIDR,
    nodePortRange: options.nodePortRange ?? DEFAULT_NODE_PORTS,
  });
  const served = servedResources({ kinds, storage, serviceHooks: holdings.hooks });
  const storageOf = <T extends AnyObject>(group: string, plural: string): ResourceStorage<T> => {
    const found = served.find(({ info }) => info.group === group && info.resource === plural);
    if (found === undefined) throw new Error(`the resource ${plural} of group "${group}" is not served`);
    return found.storage as unknown as ResourceStorage<T>;
  };

  const rbacCache = new RbacCache({
    clusterRoles: storageOf('rbac.authorization.k8s.io', 'clusterroles'),
    clusterRoleBindings: storageOf('rbac.authorization.k8s.io', 'clusterrolebindings'),
    roles: storageOf('rbac.authorization.k8s.io', 'roles'),
    roleBindings: storageOf('rbac.authorization.k8s.io', 'rolebindings'),
  });
  const rbac = new RbacAuthorizer(rbacCache);
  const node = new NodeAuthorizer({
    pods: storageOf('', 'pods'),
    persistentVolumes: storageOf('', 'persistentvolumes'),
    persistentVolumeClaims: storageOf('', 'persistentvolumeclaims'),
    volumeAttachments: storageOf('storage.k8s.io', 'volumeattachments'),
    rules: NODE_RULES,
  });
  const authorizer = new UnionAuthorizer([mastersAuthorizer, node, rbac]);

  const plugins: AdmissionPlugin[] = admissionPlugins({ storageOf, rbac, authorizer, clock });
  const parts: RestParts = {
    admission: new AdmissionChain(plugins),
    ownership: managedFieldOwnership(schemaOf, convertedKinds),
    schemaOf,
  };

  const issuer = options.serviceAccountIssuer ?? DEFAULT_ISSUER;
  const { signingKey, verificationKeys } = options.serviceAccountKeys;
  const tokens = new ServiceAccountTokens({
    issuer,
    signingKeyPem: signingKey,
    verificationKeyPems: verificationKeys,
    clock,
  });
  const bound = {
    serviceAccounts: storageOf('', 'serviceaccounts'),
    pods: storageOf('', 'pods'),
    secrets: storageOf('', 'secrets'),
    nodes: storageOf('', 'nodes'),
  };
  const bootstrapTokens = bootstrapAuthenticator(storageOf('', 'secrets'), clock);
  const lookup: TokenLookup = async (token, audiences) => {
    const found = await serviceAccountUser(
      tokens,
      bound,
      token,
      audiences.length > 0 ? audiences : [issuer],
      clock.now(),
    );
    if (found !== undefined) return found;
    const user = await bootstrapTokens(token);
    return user === undefined ? undefined : { user, audiences: [issuer] };
  };
  const authenticators: TokenAuthenticator[] = [async token => (await lookup(token, []))?.user];

  const proxy: ProxyOptions = {
    nodes: storageOf('', 'nodes'),
    pods: storageOf('', 'pods'),
    services: storageOf('', 'services'),
    endpointSlices: storageOf('discovery.k8s.io', 'endpointslices'),
    kubelet: options.kubelet,
  };
  const special = {
    binding: bindingSubresource(parts),
    eviction: evictionSubresource(parts, storageOf('policy', 'poddisruptionbudgets')),
    token: tokenSubresource(parts, {
      tokens,
      apiAudiences: [issuer],
      pods: storageOf('', 'pods'),
      secrets: storageOf('', 'secrets'),
      nodes: storageOf('', 'nodes'),
    }),
    podConnect: podConnectSubresources({
      pods: storageOf('', 'pods'),
      nodes: storageOf('', 'nodes'),
      authorizer,
      kubelet: options.kubelet,
    }),
    nodeProxy: proxySubresource(proxy, 'nodes'),
    podProxy: proxySubresource(proxy, 'pods'),
    serviceProxy: proxySubresource(proxy, 'services'),
  };
  for (const resource of served) resources.addStored(resource, subresourcesOf(parts, resource, special));
  const pods = resources.stored('', 'pods');
  const usages = new NodeUsages({
    fetch: async (name, signal) =>
      getFromKubelet(options.kubelet, await kubeletAddress(proxy.nodes, name), '/metrics/resource', signal),
    clock,
    logger,
  });
  for (const virtual of [
    bindingResource(parts, pods),
    ...authenticationReviews(parts, lookup),
    ...accessReviews(parts, authorizer, rbac),
    componentStatuses(storage, parallelParts),
    ...metricsResources({ usages, nodes: resources.stored('', 'nodes'), pods }),
    noCustomResources(async () => (await pods.storage.list({ limit: 1 })).resourceVersion),
  ])
    resources.addVirtual(virtual);

  const health = healthChecks(storage);
  const documents = nonResourceHandler({
    discovery: new Discovery(resources),
    openApi: new OpenApiDocuments(kinds),
    livez: health.livez,
    readyz: health.readyz,
    serverAddress: () => hostPort(options.advertiseAddress, options.port ?? 6443),
    metrics: () => metrics.render(),
    issuer: {
      configuration: () => tokens.discoveryDocument(`${issuer}/openid/v1/jwks`),
      keys: () => tokens.jwks(),
    },
  });
  const objects = resourceHandler(parts, resources, clock);
  const limits = options.limits ?? DEFAULT_IN_FLIGHT;
  const filters = filterChain({
    logger,
    clock,
    metrics,
    tokens: authenticators,
    authorizer,
    auditSink: options.auditSink,
    limits,
  });
  const handler = compose(filters, exchange => (exchange.info.isResource ? objects(exchange) : documents(exchange)));
  return {
    storage,
    resources,
    rbacCache,
    firstServiceAddress: holdings.firstAddress,
    serviceRepair: client => holdings.repair(storageOf('', 'services'), client),
    handler,
    parallelParts,
    guarded: inner => compose(guardChain({ logger, clock, tokens: authenticators, authorizer }), inner),
    markBootstrapped: health.markBootstrapped,
    markStopping: health.markStopping,
  };
}
