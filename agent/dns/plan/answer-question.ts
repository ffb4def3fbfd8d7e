/**
 * Answers questions about the cluster's zone. Pure: the same records give the same answer. Nothing is kept: records are made from the
 * objects when somebody asks for them.
 *
 * - A name that has names below it exists (NOERROR, no data), and so does one without records of the type asked for; the rest does
 *   not (NXDOMAIN). Either says so with the zone's SOA record.
 * - A headless service without ready endpoints does not exist.
 *
 * Source: the Kubernetes DNS-based service discovery specification, version 1.1.0; RFC 1034, 4.3.2; RFC 8020.
 */
import { SERVICE_NAME_LABEL } from '../../../machinery/meta/endpoint-slices.ts';
import { answerService } from './answer-service.ts';
import { namedEndpoints } from './named-endpoints.ts';
import { addressOfDashes, reverseZoneOf } from './reverse-name.ts';
import type { ReverseName } from './reverse-name.ts';
import type { ClusterRecords, Question, ZoneAnswer, ZoneOptions, ZoneRecord } from './zone-records.ts';
import type { ZonePath } from './zone-path.ts';
import { ZoneAnswers } from './zone-answers.ts';

const VERSION = '1.1.0';

/** @param path where the question's name lies */
export function answerQuestion(
  question: Question,
  path: ZonePath,
  records: ClusterRecords,
  options: ZoneOptions,
): ZoneAnswer {
  const say = new ZoneAnswers(question, options);
  switch (path.kind) {
    case 'outside':
      return { kind: 'forward' };
    case 'svc': {
      const { namespace, member, rest } = path;
      if (namespace === undefined) return say.noData();
      if (member === undefined) return records.hasNamespace(namespace) ? say.noData() : say.noName();
      const service = records.service(namespace, member);
      if (service === undefined) return say.noName();
      return answerService(question, service, rest, records.slices(namespace, member), say);
    }
    case 'pod': {
      const { namespace, member, rest } = path;
      if (namespace === undefined) return say.noData();
      if (member === undefined) return records.hasNamespace(namespace) ? say.noData() : say.noName();
      const ip = rest.length === 0 ? addressOfDashes(member) : undefined;
      return ip === undefined ? say.noName() : say.ofType([say.address(ip)]);
    }
    case 'domain':
      return answerDomain(path.labels, say, options);
    case 'reverse':
      return answerReverse(path.reverse, records, say, options);
  }
}

function answerDomain(labels: readonly string[], say: ZoneAnswers, options: ZoneOptions): ZoneAnswer {
  switch (labels.join('.')) {
    case '':
      return say.ofType([say.soa(), say.nameServer()]);
    case 'dns-version':
      return say.ofType([say.record('TXT', VERSION)]);
    case 'ns.dns':
      return say.ofType(options.serverIPs.map(ip => say.address(ip)));
    case 'dns':
      return say.noData();
    default:
      return say.noName();
  }
}

/** Reverse names of our own ranges are never asked upstream, whether they exist or not. */
function answerReverse(
  reverse: ReverseName,
  records: ClusterRecords,
  say: ZoneAnswers,
  options: ZoneOptions,
): ZoneAnswer {
  const { address } = reverse;
  const zone = options.ownCIDRs.map(cidr => reverseZoneOf(reverse, cidr)).find(found => found !== undefined);
  const inZone = zone === undefined ? say : say.ofZone(zone);
  const targets = address === undefined ? [] : namesOf(address, records, options.domain);
  if (targets.length > 0) return inZone.ofType(targets.map((target): ZoneRecord => say.record('PTR', target)));
  if (zone === undefined) return { kind: 'forward' };
  return address === undefined ? inZone.noData() : inZone.noName();
}

function namesOf(address: string, records: ClusterRecords, domain: string): string[] {
  const service = records.serviceByIP(address);
  if (service !== undefined) return [`${service.metadata.name}.${service.metadata.namespace}.svc.${domain}`];
  const names = records.headlessSlicesByIP(address).flatMap(slice => {
    const of = slice.metadata.labels?.[SERVICE_NAME_LABEL];
    return namedEndpoints([slice])
      .filter(endpoint => endpoint.ip === address || endpoint.fullIP === address)
      .map(endpoint => `${endpoint.hostname}.${of}.${slice.metadata.namespace}.svc.${domain}`);
  });
  return [...new Set(names)];
}
