/**
 * The `k8ts` command. Commands are loaded when they are run, so that `k8ts version` does not pay for the cluster.
 */
import { existsSync, readFileSync } from 'node:fs';
import yargs, { type Argv, type Options } from 'yargs';
import { hideBin } from 'yargs/helpers';
import { errorText } from '../machinery/meta/error-text.ts';
import { optionTable, readConfig, type OptionName } from './config.ts';
import { environmentValue, unknownVariables, variableOf } from './environment.ts';
import { CliError, exitCodes } from './exit-codes.ts';
import { Output, type OutputFormat } from './output.ts';
import { rememberedSettings } from './started-with.ts';
import { suggest } from './suggest.ts';
import { versionText } from './version.ts';

type Args = Record<string, unknown>;
type Parts = readonly ('paths' | 'server' | 'agent' | 'log')[];

const GROUPS = { paths: 'Where things lie:', server: 'Control plane:', agent: 'Node:', log: 'Logging:' } as const;

/** Declares the options of the named parts and those named besides, straight from the table. */
function withOptions(parts: Parts, besides: readonly OptionName[] = []): (args: Argv) => Argv {
  return args => {
    for (const name of Object.keys(optionTable) as OptionName[]) {
      const o = optionTable[name];
      if (!parts.includes(o.part) && !besides.includes(name)) continue;
      const fallback = o.default === undefined ? {} : { defaultDescription: String(o.default) };
      const type = o.type === 'list' || o.type === 'byFamily' ? 'string' : o.type;
      const given = environmentValue(name, type, process.env);
      args.option(name, {
        type,
        describe: o.describe,
        group: GROUPS[o.part],
        requiresArg: o.type !== 'boolean',
        ...fallback,
        ...(given === undefined ? {} : { default: given, defaultDescription: variableOf(name) }),
        ...(o.type === 'list' ? { array: true as const } : {}),
      });
    }
    return args;
  };
}

/** Options of single commands; the others stand in the table. */
const COMMAND_OPTIONS = [
  'config',
  'output',
  'foreground',
  'timeout',
  'merge-kubeconfig',
  'token',
  'ttl',
  'description',
  'print-join-command',
  'keep-pods',
  'yes',
  'follow',
  'tail',
  'containerd',
  'namespace',
] as const;

/** The option, with what the environment says as its default. */
function setting<const O extends Options>(name: (typeof COMMAND_OPTIONS)[number], option: O): O {
  const type = option.type === 'number' || option.type === 'boolean' ? option.type : 'string';
  const given = environmentValue(name, type, process.env);
  return given === undefined ? option : { ...option, default: given, defaultDescription: variableOf(name) };
}

function warnOfUnknownVariables(): void {
  for (const name of unknownVariables([...Object.keys(optionTable), ...COMMAND_OPTIONS], process.env))
    process.stderr.write(`k8ts: ${name} is no setting of k8ts and has no effect\n`);
}

const output = (args: Args): Output => new Output((args['output'] as OutputFormat | undefined) ?? 'text');

/** The configuration file is YAML with flag names as keys; an unknown key is an error, not a surprise. */
async function readConfigFile(path: string): Promise<Args> {
  const { parse } = await import('yaml');
  let content: unknown;
  try {
    content = parse(readFileSync(path, 'utf8'), { version: '1.1' }) ?? {};
  } catch (error) {
    throw new CliError(`Cannot read the configuration file ${path}: ${(error as Error).message}`, exitCodes.usage);
  }
  if (typeof content !== 'object' || Array.isArray(content))
    throw new CliError(`${path}: want "flag: value" lines`, exitCodes.usage);
  const unknown = Object.keys(content as object).filter(key => !(key in optionTable));
  if (unknown.length > 0)
    throw new CliError(
      `${path}: unknown option ${unknown.map(k => `"${k}"`).join(', ')}; see k8ts up --help`,
      exitCodes.usage,
    );
  return content as Args;
}

/** Flags over environment over file over defaults. */
async function configOf(args: Args, remembered: (configDir: string) => Args = () => ({})) {
  const configDir = (args['config-dir'] as string | undefined) ?? optionTable['config-dir'].default;
  const named = args['config'] as string | undefined;
  const file = named ?? `${configDir}/config.yaml`;
  const fromFile = named !== undefined || existsSync(file) ? await readConfigFile(file) : {};
  return readConfig({
    ...fromFile,
    ...remembered(configDir),
    ...Object.fromEntries(Object.entries(args).filter(([, v]) => v !== undefined)),
  });
}

/** The same for commands about a k8ts that was started before: it may not be where the file says now. */
const configOfStarted = (args: Args) => configOf(args, rememberedSettings);

const COMMANDS = [
  'up',
  'server',
  'agent',
  'join',
  'token',
  'down',
  'status',
  'reset',
  'logs',
  'images',
  'proxy',
  'version',
  'completion',
];

const everything: Parts = ['server', 'agent', 'log', 'paths'];

/** Where iptables and its like are; a shell of `su` or cron does not look there. */
const SYSTEM_PATHS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

async function main(): Promise<void> {
  const path = (process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin').split(':');
  process.env['PATH'] = [...path, ...SYSTEM_PATHS.filter(folder => !path.includes(folder))].join(':');
  warnOfUnknownVariables();
  const cli = yargs(hideBin(process.argv))
    .scriptName('k8ts')
    .usage('$0 <command>\n\nA Kubernetes cluster in one small process.')
    .parserConfiguration({ 'camel-case-expansion': false, 'duplicate-arguments-array': false })
    .option(
      'config',
      setting('config', {
        type: 'string',
        describe: 'Configuration file (YAML, flag names as keys)',
        defaultDescription: '/etc/k8ts/config.yaml',
      }),
    )
    .option(
      'output',
      setting('output', {
        alias: 'o',
        choices: ['text', 'json'] as const,
        default: 'text' as const,
        describe: 'For people or for programs',
      }),
    )
    .command(
      'up',
      'Start a whole cluster on this machine',
      a =>
        withOptions(everything)(a)
          .option(
            'foreground',
            setting('foreground', {
              type: 'boolean',
              default: false,
              describe: 'Stay attached (for systemd and for debugging)',
            }),
          )
          .option(
            'timeout',
            setting('timeout', { type: 'number', default: 120, describe: 'Seconds to wait until the node is Ready' }),
          )
          .option(
            'merge-kubeconfig',
            setting('merge-kubeconfig', {
              type: 'boolean',
              default: false,
              describe: "Add the cluster to the user's own kubeconfig",
            }),
          ),
      async (args: Args) => (await import('./commands/up.ts')).up(await configOf(args), args, output(args)),
    )
    .command(
      'server',
      'Run the control plane alone, in the foreground',
      withOptions(['server', 'log', 'paths'], ['node-name', 'node-ip']),
      async (args: Args) => (await import('./commands/run.ts')).runDaemon('server', await configOf(args)),
    )
    .command(
      'agent',
      'Run a node of a cluster, in the foreground',
      withOptions(['agent', 'log', 'paths']),
      async (args: Args) => (await import('./commands/run.ts')).runDaemon('agent', await configOf(args)),
    )
    .command(
      'join <server>',
      'Make this machine a node of the cluster at SERVER',
      a =>
        withOptions(['agent', 'log', 'paths'])(a)
          .positional('server', { type: 'string', describe: 'https://HOST:6443', demandOption: true })
          .option(
            'token',
            setting('token', {
              type: 'string',
              // Without it the parser takes the `-` of standard input for an argument of its own.
              nargs: 1,
              describe: 'From `k8ts token create` on the control machine; - reads standard input; not needed again',
            }),
          )
          .option('foreground', setting('foreground', { type: 'boolean', default: false, describe: 'Stay attached' }))
          .option(
            'timeout',
            setting('timeout', { type: 'number', default: 120, describe: 'Seconds to wait until the node is Ready' }),
          ),
      async (args: Args) => (await import('./commands/join.ts')).join(await configOf(args), args, output(args)),
    )
    .command(
      'token <action> [id]',
      'Create, list or delete tokens that machines join with',
      a =>
        withOptions(['paths'])(a)
          .positional('action', { choices: ['create', 'list', 'delete'] as const, demandOption: true })
          .option(
            'ttl',
            setting('ttl', {
              type: 'string',
              default: '24h',
              describe: 'How long a new token is good for; 0 for ever',
            }),
          )
          .option(
            'description',
            setting('description', { type: 'string', default: '', describe: 'What a new token is for' }),
          )
          .option(
            'print-join-command',
            setting('print-join-command', {
              type: 'boolean',
              default: true,
              describe: 'Print the whole command for the other machine',
            }),
          ),
      async (args: Args) =>
        (await import('./commands/token.ts')).token(await configOfStarted(args), args, output(args)),
    )
    .command(
      'down',
      'Stop k8ts, its pods and its container runtime; state stays',
      a =>
        withOptions(['paths', 'agent'])(a)
          .option(
            'keep-pods',
            setting('keep-pods', { type: 'boolean', default: false, describe: 'Leave containers running' }),
          )
          .option('timeout', setting('timeout', { type: 'number', default: 90, describe: 'Seconds to wait' })),
      async (args: Args) => (await import('./commands/down.ts')).down(await configOfStarted(args), args, output(args)),
    )
    .command('status', 'Say what runs here', withOptions(['paths']), async (args: Args) =>
      (await import('./commands/status.ts')).status(await configOfStarted(args), output(args)),
    )
    .command(
      'reset',
      'Remove every trace of k8ts from this machine',
      a =>
        withOptions(['paths', 'agent'])(a).option(
          'yes',
          setting('yes', {
            alias: 'y',
            type: 'boolean',
            default: false,
            describe: 'Do not ask',
          }),
        ),
      async (args: Args) =>
        (await import('./commands/reset.ts')).reset(await configOfStarted(args), args, output(args)),
    )
    .command(
      'logs',
      "Show k8ts's own log",
      a =>
        withOptions(['paths'])(a)
          .option(
            'follow',
            setting('follow', { alias: 'f', type: 'boolean', default: false, describe: 'Go on as it grows' }),
          )
          .option(
            'tail',
            setting('tail', { type: 'number', default: 100, describe: 'How many lines from the end; -1 for all' }),
          )
          .option(
            'containerd',
            setting('containerd', { type: 'boolean', default: false, describe: "The container runtime's log instead" }),
          ),
      async (args: Args) => (await import('./commands/logs.ts')).logs(await configOfStarted(args), args, output(args)),
    )
    .command(
      'images <action> [path]',
      'List the images of this node, or import some from a tar (docker save, ctr images export)',
      a =>
        withOptions(['paths', 'agent'])(a)
          .positional('action', { choices: ['list', 'import'] as const, demandOption: true })
          .positional('path', { type: 'string', describe: 'Tar file for import; - for standard input' }),
      async (args: Args) =>
        (await import('./commands/images.ts')).images(await configOfStarted(args), args, output(args)),
    )
    .command(
      'proxy <action> [service]',
      'Show the way of packets to a service through the live rules of this node, or compare those with what services want',
      a =>
        withOptions(['paths'])(a)
          .positional('action', { choices: ['explain', 'check'] as const, demandOption: true })
          .positional('service', { type: 'string', describe: 'SERVICE or NAMESPACE/SERVICE, for explain' })
          .option(
            'namespace',
            setting('namespace', { alias: 'n', type: 'string', default: 'default', describe: 'Of the service' }),
          ),
      async (args: Args) =>
        (await import('./commands/proxy.ts')).proxy(await configOfStarted(args), args, output(args)),
    )
    .command(
      'version',
      'Print versions',
      a => a,
      (args: Args) => output(args).result(versionText(), versionText().text),
    )
    // Nodes start it for themselves: files on file systems that hang are touched there.
    .command('file-worker', false, {}, async () => (await import('../agent/host/files/file-worker.ts')).runFileWorker())
    .completion('completion', 'Print a completion script for bash or zsh')
    .demandCommand(1, 'Say what to do')
    .strict()
    .help()
    .alias('help', 'h')
    .version(versionText().text)
    .wrap(Math.min(120, process.stdout.columns ?? 100))
    .check(args => {
      const wrong = Object.keys(args).filter(name => Number.isNaN(args[name]));
      if (wrong.length === 0) return true;
      throw new CliError(`Not a number: ${wrong.map(name => `--${name}`).join(', ')}`, exitCodes.usage);
    })
    .fail((message, error: Error | undefined) => {
      // A handler's own error goes on as it is; what yargs says of the command line is a usage error.
      if (error !== undefined && error.name !== 'YError') throw error;
      const meant = suggest(hideBin(process.argv), COMMANDS, [
        ...Object.keys(optionTable),
        ...COMMAND_OPTIONS,
        'help',
        'version',
      ]);
      const lines = [message || error?.message || '', meant, 'See k8ts --help'].filter(line => line !== '');
      throw new CliError(lines.join('\n'), exitCodes.usage);
    });
  await cli.parseAsync();
}

// Who reads what a command prints may have had enough, as `head` has.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(exitCodes.ok);
});

main().catch((error: unknown) => {
  const message = errorText(error);
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : message;
  process.stderr.write(`k8ts: ${message}${message.includes(cause) ? '' : `\n  because: ${cause}`}\n`);
  // Who looks for the place in the code asks for it.
  if (!(error instanceof CliError) && error instanceof Error && process.env['K8TS_LOG_LEVEL'] === 'debug')
    process.stderr.write(`${error.stack ?? ''}\n`);
  process.exit(error instanceof CliError ? error.exitCode : exitCodes.failed);
});
