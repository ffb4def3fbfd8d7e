/** `k8ts proxy explain SERVICE`, `k8ts proxy check`: what the packet filter of this node has of services, read by the running proxy. */
import pc from 'picocolors';
import type { RuleCheck, ServiceExplanation } from '../../agent/proxy/explain-service.ts';
import type { PathStep, RuleDifference } from '../../agent/proxy/plan/packet-path.ts';
import type { Config } from '../config.ts';
import { askQuestion, QuestionError } from '../control-socket.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { pathsOf } from '../paths.ts';
import { requireAccess } from '../require-access.ts';

type Args = Readonly<Record<string, unknown>>;

export async function proxy(config: Config, args: Args, output: Output): Promise<void> {
  const { controlSocket } = pathsOf(config);
  requireAccess(controlSocket, 'proxy');
  const ask = async <T>(path: string, parameters?: Record<string, string>): Promise<T> => {
    try {
      const answer = await askQuestion<T>(controlSocket, path, parameters);
      if (answer === undefined)
        throw new CliError('k8ts is not running here; start it with: k8ts up', exitCodes.notRunning);
      return answer;
    } catch (error) {
      throw error instanceof QuestionError ? new CliError(error.message) : error;
    }
  };
  if (args['action'] === 'check') {
    const check = await ask<RuleCheck>('proxy/check');
    output.result(check, checkText(check));
    if (check.families.some(({ differences }) => differences.length > 0)) process.exitCode = exitCodes.failed;
    return;
  }
  const service = serviceKey(args);
  const explanation = await ask<ServiceExplanation>('proxy/explain', { service });
  output.result(explanation, explanationText(explanation));
}

function serviceKey(args: Args): string {
  const name = args['service'];
  if (typeof name !== 'string' || name === '')
    throw new CliError('Say which: k8ts proxy explain SERVICE [--namespace NAMESPACE]', exitCodes.usage);
  if (name.split('/').length > 2) throw new CliError(`"${name}": want SERVICE or NAMESPACE/SERVICE`, exitCodes.usage);
  return name.includes('/') ? name : `${String(args['namespace'] ?? 'default')}/${name}`;
}

function explanationText({ service, families, notes }: ServiceExplanation): string {
  const lines = [pc.bold(service), ...notes.map(note => `  ${note}`)];
  for (const { family, mode, ports, problems, path } of families) {
    lines.push(`${family}, ${mode}`);
    for (const port of ports) lines.push(`  ${port}`);
    for (const problem of problems) lines.push(`  ${pc.red('✖')} ${problem}`);
    lines.push(...path.flatMap(step => stepLines(step, '  ')));
  }
  return lines.join('\n');
}

function stepLines({ title, rule, counters, next }: PathStep, indent: string): string[] {
  const seen = counters === undefined ? '' : pc.dim(`  ${counters.packets} packets, ${counters.bytes} bytes`);
  return [
    `${indent}${pc.cyan(title)}${seen}`,
    `${indent}  ${rule ?? pc.red('missing in the kernel; k8ts proxy check tells what else is')}`,
    ...next.flatMap(step => stepLines(step, `${indent}    `)),
  ];
}

function checkText({ families }: RuleCheck): string {
  return families
    .flatMap(({ family, mode, services, rules, pending, differences }) => {
      const told = `${family}, ${mode}: ${services} services${rules === undefined ? '' : `, ${rules} rules`}`;
      const waiting = pending === 0 ? '' : `, ${pending} changes not written yet`;
      const standing = pending === 0 ? 'the kernel has what is wanted' : 'the kernel has the rest';
      if (differences.length === 0) return [`${pc.green('✔')} ${told}${waiting}: ${standing}`];
      return [
        `${pc.red('✖')} ${told}${waiting}: ${differences.length} differences`,
        ...differences.map(differenceText),
      ];
    })
    .join('\n');
}

function differenceText({ service, kind, where, wanted, found }: RuleDifference): string {
  const about = service === undefined ? '' : ` (${service})`;
  const details = [wanted === undefined ? '' : `wanted ${wanted}`, found === undefined ? '' : `found ${found}`];
  return [`  ${kind.padEnd(10)} ${where}${about}`, details.filter(Boolean).join(', ')].filter(Boolean).join(': ');
}
