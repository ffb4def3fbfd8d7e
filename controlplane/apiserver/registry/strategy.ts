/**
 * What the generic registry must be told about one kind: its defaults, rules, columns and oddities. Adding a kind is one file that
 * exports a Strategy, and its line in `strategies.ts`; everything else (routes, patches, watch, discovery, OpenAPI, protobuf) comes from the
 * schema table.
 *
 * Order of a create: decode -> default -> admission -> prepareForCreate -> validate -> canonicalize -> store.
 * Order of an update: decode/patch -> default -> admission -> prepareForUpdate -> validate + validateUpdate -> store.
 * All hooks are synchronous and pure apart from changing `object` in place; allocation of addresses and ports is the registry's `Allocation`.
 */
import type { FieldError } from '../../../machinery/meta/field-error.ts';
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { KindInfo } from '../../../proto/api/kinds.ts';

export interface RequestContext {
  /** Milliseconds since the epoch at the start of the request. */
  nowMs: number;
  user: {
    name: string;
    uid?: string | undefined;
    groups: readonly string[];
    extra?: Readonly<Record<string, readonly string[]>> | undefined;
  };
  dryRun: boolean;
}

/** One column of the server-side table that `kubectl get` prints. */
export interface Column<T> {
  name: string;
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  format?: 'name' | undefined;
  description: string;
  /** 0 is always shown, 1 with `-o wide`. */
  priority: number;
  /** Ages are given as text (`5m2s`), computed from `nowMs`. */
  cell(object: T, nowMs: number): string | number | boolean | null;
}

/** Rules for one subresource that shares the object's storage (`status`, `resize`, `ephemeralcontainers`). */
export interface SubresourceStrategy<T> {
  /** Copies from `older` everything that this subresource may not change. */
  prepareForUpdate(object: T, older: T, context: RequestContext): void;
  validateUpdate?(object: T, older: T): FieldError[];
}

/** Where `scale` finds its three numbers. Paths are dotted JSON paths. */
export interface ScaleSpec<T> {
  specReplicas(object: T): number;
  statusReplicas(object: T): number;
  /** Label selector as a string. */
  selector(object: T): string;
  setReplicas(object: T, replicas: number): void;
}

export interface Strategy<T extends AnyObject = AnyObject> {
  readonly info: KindInfo;
  /** Fills in what the user left out, as upstream does. Idempotent. */
  default?(object: T): void;
  /** Drops what a creator may not set (status), sets generation when `tracksGeneration`. */
  prepareForCreate?(object: T, context: RequestContext): void;
  prepareForUpdate?(object: T, older: T, context: RequestContext): void;
  /** All errors at once. ObjectMeta is validated by the registry (see `validateName`). */
  validate?(object: T): FieldError[];
  /** Rules that only a new object must keep, besides `validate`. */
  validateCreate?(object: T): FieldError[];
  validateUpdate?(object: T, older: T): FieldError[];
  /** Warnings that a client sees (`Warning` header), e.g. deprecated fields. */
  warnings?(object: T, older: T | undefined): string[];
  /** Messages when a name is not allowed; default DNS-1123 subdomain. */
  validateName?(name: string, prefix: boolean): string[];
  /** True: metadata.generation rises when spec changes (anything outside metadata and status). */
  readonly tracksGeneration: boolean;
  /** Present: the kind has a status subresource, and plain updates keep the old status. */
  readonly status?: SubresourceStrategy<T> | undefined;
  /** Further update-style subresources by name. */
  readonly subresources?: Readonly<Record<string, SubresourceStrategy<T>>> | undefined;
  readonly scale?: ScaleSpec<T> | undefined;
  /** Fields that field selectors may name, besides metadata.name and metadata.namespace. */
  selectableFields?(object: T): Readonly<Record<string, string>>;
  /** `Name` and `Age` are added by the registry when left out. */
  readonly columns?: readonly Column<T>[] | undefined;
  /**
   * Grace period of a delete in seconds, 0 for at once; undefined: the kind has no graceful deletion. `requested` is what the
   * client asked for. Only pods have one.
   */
  gracefulDelete?(object: T, requested: number | undefined): number;
  /** May a PUT create the object? (upstream: leases, endpoints, events, configmaps no...) */
  readonly allowCreateOnUpdate?: boolean | undefined;
  /** May an update leave out resourceVersion? Most kinds: yes. */
  readonly allowUnconditionalUpdate?: boolean | undefined;
  /** Seconds after which a stored object expires (Event: 3600). */
  ttlSeconds?(object: T): number | undefined;
  /** How long an update may wait for others to share a flush with: what is renewed all the time, by many. Default 0. */
  readonly patienceMs?: number | undefined;
  /** Finalizers or other parts of metadata to add at creation (Namespace: spec.finalizers). */
  readonly defaultGarbageCollection?: 'DeleteDependents' | 'OrphanDependents' | undefined;
}
