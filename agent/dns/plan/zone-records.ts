/** What the cluster zone is asked and what it says. The record shapes are those of the `dns-packet` library. */

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
  /** The name is another one's, and whoever asked for an address wants that of the other. */
  | { readonly kind: 'alias'; readonly record: ZoneRecord; readonly target: string }
  /** Not of the cluster: upstream servers know. */
  | { readonly kind: 'forward' };
