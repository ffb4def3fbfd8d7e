/** What the cluster's zone is made of, what it is asked and what it says. */
import type { Service } from '../../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';

/** Where the objects are. Answers are read-only. */
export interface ClusterRecords {
  service(namespace: string, name: string): Service | undefined;
  slices(namespace: string, service: string): readonly EndpointSlice[];
  hasNamespace(namespace: string): boolean;
  /** The service with that cluster IP; IPv6 in full length. */
  serviceByIP(ip: string): Service | undefined;
  /** Slices of headless services that hold that address. */
  headlessSlicesByIP(ip: string): readonly EndpointSlice[];
}

export interface ZoneOptions {
  /** `cluster.local`, in lower case. */
  readonly domain: string;
  readonly ttlSeconds: number;
  /** Where this server answers; the address of the zone's name server. */
  readonly serverIPs: readonly string[];
  /** Ranges of pods and services, of both families: reverse names in them are never asked upstream. */
  readonly ownCIDRs: readonly string[];
}

/** One question; class IN. The name is as the client wrote it, without the last dot. */
export interface Question {
  readonly name: string;
  /** `A`, `AAAA`, `SRV`, ... */
  readonly type: string;
}

export interface SrvData {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

export interface SoaData {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
}

interface RecordBase {
  readonly name: string;
  readonly ttl: number;
  readonly class: 'IN';
}

export type ZoneRecord =
  | (RecordBase & { readonly type: 'A' | 'AAAA' | 'CNAME' | 'PTR' | 'NS' | 'TXT'; readonly data: string })
  | (RecordBase & { readonly type: 'SRV'; readonly data: SrvData })
  | (RecordBase & { readonly type: 'SOA'; readonly data: SoaData });

/** What to do with a question. */
export type ZoneAnswer =
  | {
      readonly kind: 'answer';
      readonly rcode: 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL';
      readonly answers: readonly ZoneRecord[];
      readonly additionals: readonly ZoneRecord[];
      /** The SOA record of the zone, if the answer says that there is nothing. */
      readonly authorities: readonly ZoneRecord[];
    }
  /** The name is another one's, and whoever asked wants the records of the other. */
  | { readonly kind: 'alias'; readonly record: ZoneRecord; readonly target: string }
  /** Not of the cluster: upstream servers know. */
  | { readonly kind: 'forward' };
