/** Names of one service: its own, those of its ports and those of its endpoints. */
import type { Service } from '../../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { namedEndpoints } from './named-endpoints.ts';
import type { NamedEndpoint } from './named-endpoints.ts';
import type { ZoneAnswers } from './zone-answers.ts';
import type { Question, ZoneAnswer } from './zone-records.ts';

/** Which ports are asked for; all that are not said are. */
interface PortQuestion {
  readonly port?: string;
  readonly protocol?: string;
}

interface NamedPort {
  readonly name?: string | undefined;
  readonly port?: number | undefined;
  readonly protocol?: string | undefined;
}

interface Target {
  readonly port: number;
  readonly target: string;
  readonly ip: string;
}

/** @param rest what is written before the service's name, nearest to the front first */
export function answerService(
  question: Question,
  service: Service,
  rest: readonly string[],
  slices: readonly EndpointSlice[],
  say: ZoneAnswers,
): ZoneAnswer {
  if (service.spec.type === 'ExternalName')
    return rest.length === 0 ? answerAlias(question, service, say) : say.noName();
  const endpoints = namedEndpoints(slices);
  const isHeadless = service.spec.clusterIP === 'None';
  if (isHeadless && endpoints.length === 0) return say.noName();
  const fullName = `${service.metadata.name}.${service.metadata.namespace}.svc.${say.domain}`;
  const targets = (wanted: PortQuestion): Target[] =>
    isHeadless ? endpointTargets(endpoints, wanted, fullName) : serviceTargets(service, wanted, fullName);

  const [first = '', second = ''] = rest;
  if (rest.length === 0) {
    if (question.type === 'SRV') return answerPorts(targets({}), say);
    const ips = isHeadless ? endpoints.map(endpoint => endpoint.ip) : serviceIPs(service);
    return say.ofType([...new Set(ips)].map(ip => say.address(ip)));
  }
  if (rest.length === 1 && !first.startsWith('_')) {
    const ips = endpoints.filter(endpoint => endpoint.hostname === first).map(endpoint => endpoint.ip);
    return ips.length === 0 ? say.noName() : say.ofType([...new Set(ips)].map(ip => say.address(ip)));
  }
  // `_tcp` alone is above the names of its ports.
  if (rest.length === 1) return targets({ protocol: first.slice(1) }).length > 0 ? say.noData() : say.noName();
  if (rest.length !== 2 || !first.startsWith('_') || !second.startsWith('_') || first === '_') return say.noName();
  const found = targets({ port: first.slice(1), protocol: second.slice(1) });
  if (found.length === 0) return say.noName();
  return question.type === 'SRV' || question.type === 'ANY' ? answerPorts(found, say) : say.noData();
}

function answerAlias(question: Question, service: Service, say: ZoneAnswers): ZoneAnswer {
  const target = (service.spec.externalName ?? '').replace(/\.$/, '').toLowerCase();
  if (target === '') return say.noName();
  const record = say.record('CNAME', target);
  return question.type === 'CNAME' || question.type === 'ANY' ? say.found([record]) : { kind: 'alias', record, target };
}

function answerPorts(targets: readonly Target[], say: ZoneAnswers): ZoneAnswer {
  if (targets.length === 0) return say.noData();
  const pairs = [...new Map(targets.map(t => [`${t.target} ${t.port}`, t])).values()];
  const weight = Math.max(1, Math.floor(100 / pairs.length));
  const addresses = new Map(targets.map(t => [`${t.target} ${t.ip}`, say.address(t.ip, t.target)]));
  return say.found(
    pairs.map(({ port, target }) => say.service(port, target, weight)),
    [...addresses.values()],
  );
}

function endpointTargets(endpoints: readonly NamedEndpoint[], wanted: PortQuestion, fullName: string): Target[] {
  return endpoints.flatMap(({ hostname, ip, slice }) =>
    (slice.ports ?? [])
      .filter(port => isWanted(port, wanted))
      .flatMap(({ port }) => (port === undefined ? [] : [{ port, target: `${hostname}.${fullName}`, ip }])),
  );
}

function serviceTargets(service: Service, wanted: PortQuestion, target: string): Target[] {
  const ports = (service.spec.ports ?? []).filter(port => isWanted(port, wanted));
  return ports.flatMap(({ port }) => serviceIPs(service).map(ip => ({ port, target, ip })));
}

function isWanted({ name, protocol }: NamedPort, wanted: PortQuestion): boolean {
  if (wanted.protocol === undefined) return true;
  if ((protocol ?? 'TCP').toLowerCase() !== wanted.protocol || (name ?? '') === '') return false;
  return wanted.port === undefined || name?.toLowerCase() === wanted.port;
}

function serviceIPs({ spec }: Service): readonly string[] {
  return (spec.clusterIPs ?? [spec.clusterIP ?? '']).filter(ip => ip !== '' && ip !== 'None');
}
