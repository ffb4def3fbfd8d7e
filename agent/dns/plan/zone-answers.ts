/** The forms that an answer of the cluster's zone can have. */
import type { Question, ZoneAnswer, ZoneOptions, ZoneRecord } from './zone-records.ts';

export class ZoneAnswers {
  private readonly question: Question;
  private readonly options: ZoneOptions;
  /** Whose SOA record says that there is nothing. */
  private readonly zone: string;

  constructor(question: Question, options: ZoneOptions, zone: string = options.domain) {
    this.question = question;
    this.options = options;
    this.zone = zone;
  }

  /** The same for a name in another zone of ours. */
  ofZone(zone: string): ZoneAnswers {
    return new ZoneAnswers(this.question, this.options, zone);
  }

  get domain(): string {
    return this.options.domain;
  }

  /** What of these is of the type asked for; all of them are of the name. */
  ofType(all: readonly ZoneRecord[]): ZoneAnswer {
    const { type } = this.question;
    const matching = all.filter(record => record.type === type || type === 'ANY');
    return matching.length === 0 ? this.noData() : this.found(matching);
  }

  found(answers: readonly ZoneRecord[], additionals: readonly ZoneRecord[] = []): ZoneAnswer {
    return { kind: 'answer', rcode: 'NOERROR', answers, additionals, authorities: [] };
  }

  noData(): ZoneAnswer {
    return { kind: 'answer', rcode: 'NOERROR', answers: [], additionals: [], authorities: [this.soa()] };
  }

  noName(): ZoneAnswer {
    return { kind: 'answer', rcode: 'NXDOMAIN', answers: [], additionals: [], authorities: [this.soa()] };
  }

  address(ip: string, of = this.question.name): ZoneRecord {
    return { type: ip.includes(':') ? 'AAAA' : 'A', name: of, ttl: this.options.ttlSeconds, class: 'IN', data: ip };
  }

  record(type: 'CNAME' | 'PTR' | 'TXT', data: string): ZoneRecord {
    return { type, name: this.question.name, ttl: this.options.ttlSeconds, class: 'IN', data };
  }

  service(port: number, target: string, weight: number): ZoneRecord {
    const data = { priority: 0, weight, port, target };
    return { type: 'SRV', name: this.question.name, ttl: this.options.ttlSeconds, class: 'IN', data };
  }

  nameServer(): ZoneRecord {
    const { domain, ttlSeconds } = this.options;
    return { type: 'NS', name: domain, ttl: ttlSeconds, class: 'IN', data: `ns.dns.${domain}` };
  }

  soa(): ZoneRecord {
    const { domain, ttlSeconds } = this.options;
    const data = {
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: ttlSeconds,
    };
    return { type: 'SOA', name: this.zone, ttl: ttlSeconds, class: 'IN', data };
  }
}
