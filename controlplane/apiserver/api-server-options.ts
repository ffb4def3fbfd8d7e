/**
 * What an API server is made of.
 */
import type { Logger } from '../../machinery/process/logger.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Store } from '../store/store.ts';
import type { AuditSink } from './filters/audit.ts';
import type { InFlightLimits } from './filters/in-flight.ts';
import type { KubeletClient } from './proxying/pod-connect.ts';
import type { TlsMaterial } from './server/tls-server.ts';

export interface ApiServerOptions {
  /** Stays its owner's: close it after `run()` has resolved. */
  readonly store: Store;
  /** What all keys in the store begin with. Default `/registry`. */
  readonly storeKeyPrefix?: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Without it no port is opened: the server is reached in process alone. */
  readonly tls?: TlsMaterial | undefined;
  /** Default 0.0.0.0 (and [::]). */
  readonly bindAddress?: string | undefined;
  /** Default 6443; 0 for any free one, then see `ApiServer.port`. */
  readonly port?: number | undefined;
  /** How pods and nodes reach this server; stands in the endpoints of default/kubernetes. */
  readonly advertiseAddress: string;
  /** Comma-separated, the primary family first: `10.96.0.0/16,fd00:96::/108`. Default 10.96.0.0/16. */
  readonly serviceCIDR?: string | undefined;
  /** Default 30000-32767. */
  readonly nodePortRange?: string | undefined;
  readonly serviceAccountKeys: {
    /** PEM, private. */
    readonly signingKey: string;
    /** PEM, further keys whose tokens are good. */
    readonly verificationKeys?: readonly string[] | undefined;
  };
  /** Further API versions, in the form of upstream's `--runtime-config`: `policy/v1beta1=true`. Default none. */
  readonly runtimeConfig?: readonly string[] | undefined;
  /** `iss` of tokens and their default audience. Default https://kubernetes.default.svc.cluster.local. */
  readonly serviceAccountIssuer?: string | undefined;
  /** What kubelets are shown when they are asked for logs, exec and so on. */
  readonly kubelet?: KubeletClient | undefined;
  /** Written to kube-public/cluster-info for whoever joins. */
  readonly clusterInfo?: { readonly server: string; readonly caPem: string } | undefined;
  readonly auditSink?: AuditSink | undefined;
  readonly limits?: InFlightLimits | undefined;
}

export const DEFAULT_PORT = 6443;
export const DEFAULT_SERVICE_CIDR = '10.96.0.0/16';
export const DEFAULT_NODE_PORTS = '30000-32767';
export const DEFAULT_ISSUER = 'https://kubernetes.default.svc.cluster.local';
