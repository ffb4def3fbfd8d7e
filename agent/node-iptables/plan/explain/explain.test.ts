import { describe, expect, test } from '@jest/globals';
import { countNft, countTables } from '../count.ts';
import { parseNftJson } from '../nft-ruleset.ts';
import { parseRule } from '../parse-rule.ts';
import { parseSave } from '../parse-save.ts';
import { explainNftRule } from './explain-nft-rule.ts';
import { explainRule } from './explain-rule.ts';
import { walkChain } from './walk-chain.ts';
import { walkNft } from './walk-nft.ts';

test.each([
  ['', 'Packets: are only counted.'],
  [
    '-d 10.96.0.1/32 -p tcp -m comment --comment "default/web" -m tcp --dport 80 -j WEB',
    'TCP packets to 10.96.0.1, port 80: go through chain WEB and come back. ("default/web")',
  ],
  [
    '! -s 10.244.0.0/16 -i eth+ -m mark ! --mark 0x4000/0x4000 -j MARK --set-xmark 0x4000/0x4000',
    'Packets from anything but 10.244.0.0/16, coming in by eth*, whose mark is not 0x4000 in 0x4000: are marked: bits 0x4000 set.',
  ],
  [
    '-m statistic --mode random --probability 0.33333333349 -j DNAT --to-destination 10.0.0.1:80',
    'Packets, 33.3 % of them by chance: are sent to 10.0.0.1:80.',
  ],
  [
    '-m addrtype --dst-type LOCAL -m conntrack --ctstate NEW,RELATED -m set --match-set a src,dst -j REJECT --reject-with icmp-port-unreachable',
    'Packets, whose destination is local, in state NEW or RELATED, whose source and destination is in set a: are rejected with icmp-port-unreachable.',
  ],
  [
    '-p udp -m multiport ! --ports 53,5353 -m limit --limit 5/min -j LOG --log-prefix "x "',
    'UDP packets, from or to port anything but 53 or 5353, as long as they are no more than 5/min: are logged as "x".',
  ],
])('explainRule(%j)', (text, sentence) => {
  expect(explainRule(parseRule(text))).toBe(sentence);
});

describe('walkChain()', () => {
  const tables = parseSave(
    `*nat
:OUTPUT ACCEPT [0:0]
:SERVICES - [0:0]
:WEB - [0:0]
:MARK - [0:0]
:LOOP - [0:0]
[9:900] -A OUTPUT -j SERVICES
[5:500] -A SERVICES -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j WEB
[0:0] -A SERVICES -d 10.96.0.2/32 -p tcp -m tcp --dport 80 -j DROP
[4:400] -A SERVICES -m addrtype --dst-type LOCAL -j RETURN
[1:100] -A SERVICES -j LOOP
[2:200] -A WEB ! -s 10.244.0.0/16 -j MARK
[3:300] -A WEB -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.244.0.5:80
[2:200] -A WEB -j DNAT --to-destination 10.244.0.6:80
[2:200] -A MARK -j MARK --set-xmark 0x4000/0x4000
[1:100] -A LOOP -m mark --mark 0x4000/0x4000 -j ACCEPT
[1:100] -A LOOP -j LOOP
COMMIT
`,
  );
  const nat = tables.get('nat') ?? new Map();
  const places = (steps: ReturnType<typeof walkChain>) =>
    steps.map(({ depth, chain, index, answer }) => `${depth} ${chain} ${index} ${answer}`);

  test('follows a packet to where it ends', () => {
    const steps = walkChain(nat, 'OUTPUT', {
      source: '192.0.2.1',
      destination: '10.96.0.1',
      protocol: 'tcp',
      destinationPort: 80,
      mark: 0,
    });
    expect(places(steps)).toEqual([
      '0 OUTPUT 1 yes',
      '1 SERVICES 1 yes',
      '2 WEB 1 yes',
      '3 MARK 1 yes',
      '2 WEB 2 perhaps',
      '2 WEB 3 perhaps',
    ]);
    expect(steps[4]).toMatchObject({ counters: { packets: 3, bytes: 300 }, sentence: expect.stringContaining('50 %') });
  });

  test('takes both ways where it does not know, and survives loops', () => {
    const local = walkChain(nat, 'OUTPUT', { destination: '192.0.2.9', isLocal: true });
    expect(places(local)).toEqual(['0 OUTPUT 1 yes', '1 SERVICES 3 yes']);
    const unknown = walkChain(nat, 'SERVICES');
    expect(unknown.length).toBeLessThanOrEqual(10_000);
    expect(places(unknown).slice(0, 3)).toEqual(['0 SERVICES 1 perhaps', '1 WEB 1 perhaps', '2 MARK 1 perhaps']);
    expect(walkChain(nat, 'NO-SUCH-CHAIN')).toEqual([]);
  });

  test('a mark that was set is seen by later rules', () => {
    const chains = parseSave(
      '*nat\n:A - [0:0]\n-A A -j MARK --set-xmark 0x4000/0x4000\n-A A -m mark --mark 0x4000/0x4000 -j ACCEPT\n-A A -j DROP\nCOMMIT\n',
    ).get('nat');
    expect(places(walkChain(chains ?? new Map(), 'A', { mark: 1 }))).toEqual(['0 A 1 yes', '0 A 2 yes']);
    expect(places(walkChain(chains ?? new Map(), 'A'))).toEqual(['0 A 1 yes', '0 A 2 perhaps', '0 A 3 perhaps']);
  });

  test('countTables() adds up', () => {
    expect(countTables(tables).get('nat')).toEqual({ chains: 5, rules: 11, packets: 30, bytes: 3000 });
  });
});

describe('walkNft()', () => {
  const ip = (field: string) => ({ payload: { protocol: 'ip', field } });
  const dport = { payload: { protocol: 'tcp', field: 'dport' } };
  const key = { concat: [ip('daddr'), { meta: { key: 'l4proto' } }, { payload: { protocol: 'th', field: 'dport' } }] };
  const slot = { numgen: { mode: 'random', mod: 2, offset: 0 } };
  const rule = (chain: string, handle: number, ...expr: object[]) => ({
    rule: { family: 'ip', table: 't', chain, handle, expr },
  });
  const document = {
    nftables: [
      { table: { family: 'ip', name: 't', handle: 1 } },
      {
        map: {
          ...{
            family: 'ip',
            table: 't',
            name: 'services',
            handle: 2,
            type: ['ipv4_addr', 'inet_proto', 'inet_service'],
            map: 'verdict',
          },
          elem: [
            [
              { elem: { val: { concat: ['10.96.0.1', 'tcp', 80] }, counter: { packets: 7, bytes: 70 } } },
              { goto: { target: 'two' } },
            ],
            [{ concat: ['10.96.0.2', 'tcp', 80] }, { drop: null }],
          ],
        },
      },
      {
        map: {
          ...{
            family: 'ip',
            table: 't',
            name: 'endpoints',
            handle: 3,
            type: ['ipv4_addr', 'inet_service', 'integer'],
            map: 'ipv4_addr . inet_service',
          },
          elem: [0, 1, 2].map(i => [
            { concat: [i === 2 ? '10.96.0.9' : '10.96.0.1', 80, i] },
            { concat: [`10.244.0.${i}`, 8080] },
          ]),
        },
      },
      ...['pre', 'two'].map((name, i) => ({ chain: { family: 'ip', table: 't', name, handle: 4 + i } })),
      rule(
        'pre',
        10,
        { match: { op: '==', left: ip('saddr'), right: { prefix: { addr: '10.244.0.0', len: 16 } } } },
        { counter: { packets: 1, bytes: 2 } },
        { return: null },
      ),
      rule('pre', 11, { vmap: { key, data: '@services' } }),
      rule('pre', 12, { match: { op: '==', left: { meta: { key: 'mark' } }, right: 5 } }, { accept: null }),
      rule('two', 13, {
        dnat: { family: 'ip', addr: { map: { key: { concat: [ip('daddr'), dport, slot] }, data: '@endpoints' } } },
      }),
    ],
  };
  const table = parseNftJson(JSON.stringify(document)).get('ip t');
  if (table === undefined) throw new Error('no table');

  test('shows the elements that lead on', () => {
    const steps = walkNft(table, 'pre', {
      source: '192.0.2.1',
      destination: '10.96.0.1',
      protocol: 'tcp',
      destinationPort: 80,
    });
    expect(steps.map(({ depth, chain, handle, answer }) => `${depth} ${chain} ${handle} ${answer}`)).toEqual([
      '0 pre 11 yes',
      '1 two 13 perhaps',
    ]);
    expect(steps[0]?.elements).toEqual([
      { key: '10.96.0.1 . tcp . 80', value: 'goto two', counters: { packets: 7, bytes: 70 } },
    ]);
    expect(steps[1]?.elements.map(element => element.value)).toEqual(['10.244.0.0 . 8080', '10.244.0.1 . 8080']);
  });

  test('leaves out what is not for the packet, and goes both ways where it does not know', () => {
    const handles = (packet: Parameters<typeof walkNft>[2]) => walkNft(table, 'pre', packet).map(step => step.handle);
    expect(handles({ source: '10.244.3.4' })).toEqual([10]);
    expect(
      handles({ source: '192.0.2.1', destination: '10.96.0.3', protocol: 'tcp', destinationPort: 80, mark: 5 }),
    ).toEqual([12]);
    expect(handles({})).toEqual([10, 11, 13, 12]);
  });

  test('explainNftRule() and countNft()', () => {
    expect((table.chains.get('pre')?.rules ?? []).map(explainNftRule)).toEqual([
      'If ip saddr is 10.244.0.0/16: count, return.',
      'Always: do what ip daddr . meta l4proto . th dport leads to in @services.',
      'If meta mark is 5: accept.',
    ]);
    expect(countNft(table)).toEqual({ chains: 2, rules: 4, sets: 2, elements: 5, packets: 8, bytes: 72 });
  });
});
