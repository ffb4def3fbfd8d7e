/** Every verb of kubectl, with the one that the host has and, where the conformance suite was built, with its 1.20 too. */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPem } from '../../machinery/pki/certificate.ts';
import { createSigningRequest } from '../../machinery/pki/signing-request.ts';
import { sharedCluster, type Cluster } from '../machine/cluster.ts';
import { Kubectl, type KubeObject } from '../machine/kubectl.ts';
import { inNamespace } from '../machine/network-namespace.ts';
import { waitFor } from '../machine/wait-for.ts';
import { deployment, IDLE, IMAGE, pod } from './objects.ts';

jest.setTimeout(120_000);

const OLD = join(process.env['CONFORMANCE_DIR'] ?? '/var/cache/k8ts-conformance', 'bin', 'kubectl');
const PROGRAMS = ['kubectl', ...(existsSync(OLD) ? [OLD] : [])];

let cluster: Cluster;

beforeAll(async () => {
  cluster = await sharedCluster();
});

describe.each(PROGRAMS)('%s', program => {
  let k: Kubectl;
  let minor: number;
  let folder: string;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'kubectl-'));
    k = await new Kubectl(cluster.control, 'default', program).newNamespace('kubectl');
    minor = await k.minorVersion();
    await k.apply(pod('main', { command: IDLE }), deployment('web'));
  });
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
    await k?.removeNamespace();
  });

  /** A kubectl that goes on until the end. @returns its output so far */
  function background(args: readonly string[]): () => string {
    const [command = '', ...rest] = inNamespace(cluster.control.namespace, k.argv(args));
    const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
    children.push(child);
    let output = '';
    child.stdout.on('data', chunk => (output += String(chunk)));
    child.stderr.on('data', chunk => (output += String(chunk)));
    return () => output;
  }

  const lines = async (args: readonly string[]): Promise<string[]> => (await k.run(args)).trim().split('\n');

  test('version, api-versions, api-resources, cluster-info, options and config', async () => {
    expect(await k.run(['version'])).toMatch(/Server Version: .*v?1\.36|GitVersion:"v1\.36/);
    expect(await lines(['api-versions'])).toEqual(
      expect.arrayContaining(['v1', 'apps/v1', 'rbac.authorization.k8s.io/v1']),
    );
    expect(await k.run(['api-resources', '-o', 'wide'])).toMatch(
      /^deployments +deploy +apps\/v1 +true +Deployment +.*watch/m,
    );
    expect(await lines(['api-resources', '--namespaced=false', '--verbs=list', '-o', 'name'])).toContain('nodes');
    expect(await k.run(['cluster-info'])).toContain('is running at');
    const dump = JSON.parse(
      (await k.run(['cluster-info', 'dump', '--namespaces', k.namespace])).split('\n}\n')[0] + '\n}',
    ) as {
      kind: string;
    };
    expect(dump.kind).toBe('NodeList');
    expect(await k.run(['config', 'view', '--minify'])).toContain('server: https://');
  });

  test('explain tells of kinds and fields, also recursively', async () => {
    expect(await k.run(['explain', 'deployment.spec.strategy'])).toMatch(/DESCRIPTION:\n +\S/);
    expect(await k.run(['explain', 'pod', '--recursive'])).toMatch(/^ {6,}livenessProbe\t<(Probe|Object)>/m);
    expect(await k.run(['explain', 'ingresses.spec.rules.http'])).toContain('paths');
  });

  test('create makes what it names, and dry runs make nothing', async () => {
    await k.run(['create', 'configmap', 'cm', '--from-literal=a=1']);
    await k.run(['create', 'secret', 'generic', 'sec', '--from-literal=p=q']);
    await k.run(['create', 'serviceaccount', 'robot']);
    await k.run(['create', 'role', 'reader', '--verb=get,list', '--resource=pods']);
    await k.run(['create', 'rolebinding', 'reader', '--role=reader', `--serviceaccount=${k.namespace}:robot`]);
    await k.run(['create', 'quota', 'q', '--hard=configmaps=100']);
    await k.run(['create', 'service', 'clusterip', 'svc', '--tcp=80:8080']);
    await k.run(['create', 'ingress', 'ing', '--rule=a.example/*=svc:80']);
    await k.run(['create', 'job', 'job', `--image=${IMAGE}`, '--', 'true']);
    for (const kind of ['client', 'server']) {
      const out = await k.run(['create', 'deployment', 'none', `--image=${IMAGE}`, `--dry-run=${kind}`, '-o', 'name']);
      expect(out).toBe('deployment.apps/none\n');
    }
    expect((await k.try(['get', 'deployment', 'none'])).stderr).toContain('deployments.apps "none" not found');
    expect((await k.try(['create', 'configmap', 'cm'])).stderr).toContain('configmaps "cm" already exists');
  });

  test('get prints in every form and selects', async () => {
    await k.waitReady('pod/main');
    expect((await lines(['get', 'pods', '-o', 'wide']))[0]).toMatch(/^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE/);
    expect(await k.run(['get', 'cm', 'cm', '-o', 'yaml'])).toContain('\ndata:\n  a: "1"\n');
    expect(await k.run(['get', 'cm/cm', '-o', 'jsonpath={.data.a}'])).toBe('1');
    expect(await k.run(['get', 'cm', 'cm', '-o', 'go-template={{.data.a}}'])).toBe('1');
    expect(await lines(['get', 'pods', 'main', '-o', 'custom-columns=N:.metadata.name', '--no-headers'])).toEqual([
      'main',
    ]);
    expect(await lines(['get', 'pods', '-l', 'app in (main,x),!y', '-o', 'name'])).toEqual(['pod/main']);
    expect(
      await lines(['get', 'pods', '--field-selector', 'metadata.name=main,status.phase=Running', '-o', 'name']),
    ).toEqual(['pod/main']);
    expect(await k.run(['get', 'pods', '--show-labels', '--sort-by=.metadata.name'])).toContain('app=main');
    expect(await k.run(['get', 'all', '--chunk-size=1'])).toContain('deployment.apps/web');
    expect(JSON.parse(await k.run(['get', '--raw', '/api'])) as KubeObject).toMatchObject({ kind: 'APIVersions' });
    expect((await k.try(['get', 'pods', '--field-selector', 'spec.x=1'])).stderr).toContain(
      'field label not supported: spec.x',
    );
    expect((await k.try(['get', 'nonsense'])).stderr).toContain(`the server doesn't have a resource type "nonsense"`);
  });

  test('get --watch shows what changes', async () => {
    const output = background(['get', 'configmaps', '--watch', '--output-watch-events']);
    await k.run(['create', 'configmap', 'seen']);
    await waitFor('the addition', async () => /^ADDED +seen /m.test(output()));
    await k.run(['delete', 'configmap', 'seen']);
    await waitFor('the deletion', async () => /^DELETED +seen /m.test(output()));
  });

  test('describe, events, label, annotate', async () => {
    expect(await k.run(['describe', 'pod', 'main'])).toMatch(/Events:\n(.*\n)+.*Started/);
    expect(await k.run(['get', 'events', '--field-selector', 'involvedObject.name=main'])).toContain('Scheduled');
    if (minor >= 26) expect(await k.run(['events', '--for', 'pod/main'])).toContain('Scheduled');
    await k.run(['label', 'cm', 'cm', 'tier=x']);
    expect((await k.try(['label', 'cm', 'cm', 'tier=y'])).code).not.toBe(0);
    await k.run(['label', 'cm', 'cm', 'tier=y', '--overwrite']);
    await k.run(['label', 'cm', '--all', 'tier-']);
    await k.run(['annotate', 'cm', '-l', '!tier', 'note=hello']);
    expect((await k.json(['get', 'cm', 'cm'])).metadata.annotations).toMatchObject({ note: 'hello' });
  });

  test('apply, diff, server-side apply and its conflicts', async () => {
    const manifest = (value: string): string =>
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied' }, data: { a: value } });
    expect(await k.apply(manifest('1'))).toContain('configmap/applied created');
    expect(await k.apply(manifest('1'))).toContain('configmap/applied unchanged');
    const diff = await k.try(['diff', '-f', '-'], { input: manifest('2') });
    expect([diff.code, diff.stdout]).toEqual([1, expect.stringMatching(/^-  a: "1"\n\+  a: "2"$/m)]);
    expect(await k.apply(manifest('2'))).toContain('configmap/applied configured');
    expect(await k.run(['apply', 'view-last-applied', 'cm/applied'])).toContain('a: "2"');
    const serverSide = ['apply', '--server-side', '-f', '-'];
    await k.run(['create', 'configmap', 'owned', '--from-literal=a=0']);
    const owned = manifest('9').replace('applied', 'owned');
    const refused = await k.try(serverSide, { input: owned });
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('conflict with "kubectl-create" using v1: .data.a'),
    ]);
    expect(await k.run([...serverSide, '--force-conflicts'], { input: owned })).toContain('serverside-applied');
    expect((await k.try(['apply', '-f', '-', '--dry-run=server'], { input: manifest('3') })).stdout).toContain(
      '(server dry run)',
    );
    expect(await k.run(['get', 'cm', 'applied', '-o', 'jsonpath={.data.a}'])).toBe('2');
  });

  test('edit, patch and replace', async () => {
    await k.run(['edit', 'cm', 'cm'], { env: { KUBE_EDITOR: `sed -i s/hello/edited/` } });
    expect((await k.json(['get', 'cm', 'cm'])).metadata.annotations).toMatchObject({ note: 'edited' });
    await k.run(['patch', 'cm', 'cm', '-p', '{"data":{"b":"2"}}']);
    await k.run(['patch', 'cm', 'cm', '--type=merge', '-p', '{"data":{"a":null}}']);
    await k.run(['patch', 'cm', 'cm', '--type=json', '-p', '[{"op":"add","path":"/data/c","value":"3"}]']);
    const patched = await k.json<KubeObject & { data: object }>(['get', 'cm', 'cm']);
    expect(patched.data).toEqual({ b: '2', c: '3' });
    if (minor >= 24)
      await k.run([
        'patch',
        'deploy',
        'web',
        '--subresource=status',
        '--type=merge',
        '-p',
        '{"status":{"collisionCount":7}}',
      ]);
    await k.run(['replace', '-f', '-'], { input: JSON.stringify({ ...patched, data: { d: '4' } }) });
    const stale = await k.try(['replace', '-f', '-'], { input: JSON.stringify(patched) });
    expect(stale.stderr).toContain('the object has been modified');
    const { metadata } = await k.json(['get', 'cm', 'cm']);
    await k.run(['replace', '--force', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm' } }),
    });
    expect((await k.json(['get', 'cm', 'cm'])).metadata.uid).not.toBe(metadata.uid);
  });

  test('mistakes in manifests are told before anything is made', async () => {
    const wrong = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'wrong' }, dada: { a: '1' } };
    const refused = await k.tryCreate(wrong);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/unknown field "(ConfigMap\.)?dada"/)]);
    if (minor >= 25) {
      const warned = await k.try(['create', '--validate=warn', '-f', '-'], { input: JSON.stringify(wrong) });
      expect([warned.code, warned.stderr]).toEqual([0, expect.stringContaining('Warning: unknown field "dada"')]);
    }
  });

  test('set, scale, autoscale, expose and rollout', async () => {
    await k.run(['rollout', 'status', 'deploy/web', '--timeout=60s'], { timeoutMs: 70_000 });
    await k.run(['set', 'env', 'deploy/web', 'COLOR=green']);
    await k.run(['set', 'resources', 'deploy/web', '--requests=cpu=1m']);
    await k.run(['set', 'image', 'deploy/web', `main=${IMAGE}`]);
    await k.run(['rollout', 'pause', 'deploy/web']);
    await k.run(['rollout', 'resume', 'deploy/web']);
    await k.run(['rollout', 'restart', 'deploy/web']);
    await k.run(['rollout', 'status', 'deploy/web', '--timeout=60s'], { timeoutMs: 70_000 });
    expect((await lines(['rollout', 'history', 'deploy/web'])).length).toBeGreaterThan(3);
    await k.run(['rollout', 'undo', 'deploy/web', '--to-revision=1']);
    expect(await k.run(['get', 'deploy', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].env}'])).toBe('');
    expect(await k.run(['scale', 'deploy/web', '--replicas=2', '--current-replicas=1'])).toContain(
      'deployment.apps/web scaled',
    );
    expect((await k.try(['scale', 'deploy/web', '--replicas=3', '--current-replicas=9'])).code).not.toBe(0);
    await k.run(['autoscale', 'deploy', 'web', '--min=1', '--max=3', '--cpu-percent=80']);
    await k.run(['expose', 'deploy', 'web', '--port=80', '--target-port=8080']);
    expect(await k.run(['get', 'svc', 'web', '-o', 'jsonpath={.spec.selector.app}'])).toBe('web');
  });

  test('run, exec, cp, logs, attach', async () => {
    const once = ['run', 'once', `--image=${IMAGE}`, '--image-pull-policy=IfNotPresent', '--restart=Never'];
    const piped = await k.run([...once, '-i', '--rm', '--quiet', '--command', '--', 'cat'], { input: 'through\n' });
    expect(piped).toContain('through');
    const command = ['sh', '-c', 'echo one; echo two; while read x; do echo got $x; done; sleep 1000'];
    await k.apply(pod('runner', { command, container: { stdin: true } }));
    await k.waitReady('pod/runner');
    expect(await k.exec('main', 'echo $((6*7))')).toBe('42\n');
    expect((await k.tryExec('main', 'exit 3')).code).toBe(3);
    expect(await k.run(['exec', '-i', 'main', '--', 'cat'], { input: 'in and out' })).toBe('in and out');
    writeFileSync(join(folder, 'there'), 'carried');
    await k.run(['cp', join(folder, 'there'), 'main:/tmp/there']);
    await k.run(['cp', 'main:/tmp/there', join(folder, 'back')]);
    expect(readFileSync(join(folder, 'back'), 'utf8')).toBe('carried');
    expect(await k.run(['logs', 'runner', '--tail=1', '--timestamps'])).toMatch(/^\d{4}-.*Z two\n$/);
    expect(await k.run(['logs', '-l', 'app=runner', '--prefix'])).toContain('[pod/runner/main] one');
    const output = background(['attach', '-i', 'runner']);
    children.at(-1)?.stdin?.write('hello\n');
    await waitFor('the echo', async () => output().includes('got hello'));
  });

  test('port-forward and proxy', async () => {
    const forward = background(['port-forward', 'deploy/web', ':8080']);
    const port = await waitFor('the port', async () => /127\.0\.0\.1:(\d+)/.exec(forward())?.[1]);
    const fetched = await cluster.control.run([process.execPath, '-e', FETCH, `http://127.0.0.1:${port}/`]);
    expect(fetched).toMatch(/^200 /);
    const proxy = background(['proxy', '--port=0']);
    const at = await waitFor('the proxy', async () => /127\.0\.0\.1:(\d+)/.exec(proxy())?.[1]);
    const url = `http://127.0.0.1:${at}/api/v1/namespaces/${k.namespace}/services/web:80/proxy/`;
    expect(await cluster.control.run([process.execPath, '-e', FETCH, url])).toMatch(/^200 /);
  });

  test('auth, create token, certificates', async () => {
    expect(await k.run(['auth', 'can-i', 'create', 'pods'])).toBe('yes\n');
    const as = ['--as', `system:serviceaccount:${k.namespace}:robot`];
    expect((await k.try(['auth', 'can-i', 'delete', 'pods', ...as])).stdout).toMatch(/^no/);
    expect(await k.run(['auth', 'can-i', '--list', ...as])).toMatch(/^pods +\[\] +\[\] +\[get list\]/m);
    expect((await k.try(['get', 'secrets', ...as])).stderr).toContain('cannot list resource "secrets"');
    if (minor >= 28) expect(await k.run(['auth', 'whoami', ...as])).toContain('robot');
    if (minor >= 24) expect((await k.run(['create', 'token', 'robot', '--duration=20m'])).split('.')).toHaveLength(3);
    for (const verb of ['approve', 'deny']) {
      const name = `${k.namespace}-${verb}`;
      await k.create({
        apiVersion: 'certificates.k8s.io/v1',
        kind: 'CertificateSigningRequest',
        metadata: { name },
        spec: {
          request: Buffer.from(createSigningRequest(generateKeyPem(), { commonName: 'joe' })).toString('base64'),
          signerName: 'kubernetes.io/kube-apiserver-client',
          usages: ['client auth'],
        },
      });
      await k.run(['certificate', verb, name]);
      const condition = verb === 'approve' ? 'Approved' : 'Denied';
      expect(await k.run(['get', 'csr', name])).toContain(condition);
      await k.run(['delete', 'csr', name]);
    }
  });

  test('debug and top', async () => {
    if (minor >= 23) {
      await k.run([
        'debug',
        'main',
        `--image=${IMAGE}`,
        '--image-pull-policy=IfNotPresent',
        '-c',
        'helper',
        '--',
        'sleep',
        '1000',
      ]);
      await k.waitPod('main', 'has a helper', p =>
        JSON.stringify(
          (p.status as { ephemeralContainerStatuses?: unknown }).ephemeralContainerStatuses ?? '',
        ).includes('"running"'),
      );
    }
    const top = await k.try(['top', 'pods']);
    expect([top.code, top.stdout]).toEqual([0, expect.stringMatching(/^NAME +CPU/)]);
  });

  test('taint, cordon, drain, uncordon', async () => {
    await k.run(['taint', 'node', 'cp', 'e2e=x:PreferNoSchedule']);
    await k.run(['taint', 'node', 'cp', 'e2e-']);
    await k.run(['cordon', 'cp']);
    expect(await k.run(['get', 'node', 'cp'])).toContain('SchedulingDisabled');
    const drained = await k.run(
      ['drain', 'cp', '--pod-selector=app=web', '--ignore-daemonsets', '--force', '--timeout=60s'],
      {
        timeoutMs: 70_000,
      },
    );
    expect(drained).toMatch(/node\/cp (drained|evicted)/);
    await k.run(['uncordon', 'cp']);
    await k.run(['wait', '--for=condition=Available', 'deploy/web', '--timeout=60s'], { timeoutMs: 70_000 });
  });

  test('delete in its ways, and wait', async () => {
    const owner = async (): Promise<string> => (await lines(['get', 'rs', '-l', 'app=web', '-o', 'name']))[0] ?? '';
    const orphan = minor >= 20 ? '--cascade=orphan' : '--cascade=false';
    const set = await owner();
    await k.run(['delete', 'deploy', 'web', orphan]);
    expect(await owner()).toBe(set);
    await k.run(['delete', 'rs', '-l', 'app=web', '--cascade=foreground']);
    await waitFor('the pods to go', async () => (await k.pods('app=web')).length === 0);
    await k.run(['delete', 'pod', 'runner', '--grace-period=0', '--force']);
    await k.run(['delete', 'pod', 'main', '--now', '--wait=false']);
    await waitFor('the pod to go', async () => (await k.try(['get', 'pod', 'main'])).code !== 0);
    await k.create(pod('main', { command: IDLE }));
    const gone = k.run(['wait', '--for=delete', 'pod/main', '--timeout=60s'], { timeoutMs: 70_000 });
    await k.run(['delete', 'pod', 'main', '--wait=false', '--grace-period=2']);
    await gone;
    await k.run(['delete', 'cm', 'cm', '--dry-run=server']);
    await k.run(['delete', 'configmaps', '-l', 'nothing=here', '--ignore-not-found']);
    await k.run(['delete', 'configmaps', '--all']);
    expect(await lines(['get', 'cm', '-o', 'name'])).toEqual(['configmap/kube-root-ca.crt']);
  });
});

/** Prints status and body of a URL. */
const FETCH = `fetch(process.argv[1]).then(async r => console.log(r.status, await r.text()), e => { console.error(e); process.exit(1); });`;
