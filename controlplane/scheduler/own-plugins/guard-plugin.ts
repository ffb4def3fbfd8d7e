/**
 * Holds a plugin that is not ours to its contract: what it is made of is checked once, what it answers each time. An answer that is none fails the
 * pod's try with the plugin's name, instead of deciding something that nobody meant.
 */
import { errorText } from '../../../machinery/meta/error-text.ts';
import { nearestWord } from '../../../machinery/meta/nearest-word.ts';
import { isJsonObject } from '../../../machinery/meta/json-value.ts';
import type { ActionType, EventResource } from '../framework/cluster-event.ts';
import type { Plugin } from '../framework/framework.ts';

/** Every method that a plugin may have. */
const METHODS = [
  'preEnqueue',
  'compare',
  'preFilter',
  'addPod',
  'removePod',
  'filter',
  'postFilter',
  'preScore',
  'score',
  'normalize',
  'reserve',
  'unreserve',
  'permit',
  'preBind',
  'bind',
  'postBind',
  'eventsToRegister',
] as const satisfies readonly Exclude<keyof Plugin, 'name'>[];

/** Methods by which a plugin belongs to an extension point; the others serve them. */
const SERVING = new Set<string>(['addPod', 'removePod', 'normalize', 'eventsToRegister']);
const ASYNCHRONOUS = new Set<string>(['postFilter', 'preBind', 'bind', 'postBind']);

/**
 * @param made what the factory made
 * @throws Error saying what is wrong with it
 */
export function guardPlugin(name: string, made: unknown): Plugin {
  const wrong = (what: string): Error => new Error(`plugin ${name}: ${what}`);
  if (made instanceof Promise) throw wrong('its factory must return a plugin, not a promise of one');
  if (typeof made !== 'object' || made === null) throw wrong(`its factory must return a plugin, not ${typeof made}`);
  const plugin = made as Plugin;
  if (plugin.name !== name)
    throw wrong(`it calls itself ${JSON.stringify(plugin.name)}; it must have the name that it is exported by`);
  for (const member of membersOf(plugin)) {
    const isMethod = (METHODS as readonly string[]).includes(member);
    const value = plugin[member as keyof Plugin] as unknown;
    if (isMethod && value !== undefined && typeof value !== 'function') throw wrong(`its ${member} is no function`);
    const meant = isMethod || typeof value !== 'function' ? undefined : nearestWord(member, METHODS);
    if (meant !== undefined) throw wrong(`it has a method ${member}; did you mean ${meant}?`);
  }
  const methods = METHODS.filter(method => plugin[method] !== undefined);
  if (methods.every(method => SERVING.has(method)))
    throw wrong(
      `it has nothing for any extension point: want one of ${METHODS.filter(m => !SERVING.has(m)).join(', ')}`,
    );
  return guarded(plugin, methods, wrong);
}

/** Names of what the object and its classes have. */
function membersOf(plugin: object): Set<string> {
  const names = new Set<string>();
  for (
    let at: object | null = plugin;
    at !== null && at !== Object.prototype;
    at = Object.getPrototypeOf(at) as object | null
  )
    for (const name of Object.getOwnPropertyNames(at)) if (name !== 'constructor') names.add(name);
  return names;
}

function guarded(plugin: Plugin, methods: readonly (typeof METHODS)[number][], wrong: (what: string) => Error): Plugin {
  const guard: Record<string, unknown> = { name: plugin.name };
  for (const method of methods) {
    const call = (plugin[method] as (...args: unknown[]) => unknown).bind(plugin);
    const isAsynchronous = ASYNCHRONOUS.has(method);
    const isAnswer = ANSWERS[method];
    guard[method] = (...args: unknown[]): unknown => {
      const nodes = method === 'normalize' ? (args[2] as readonly unknown[]).length : 0;
      const answer = attempt(() => call(...args), method, wrong);
      if (answer instanceof Promise && !isAsynchronous)
        throw wrong(`${method} must answer at once: what it needs of elsewhere belongs into an informer`);
      if (isAnswer !== undefined && !isAnswer.test(answer))
        throw wrong(`${method} must answer ${isAnswer.want}, not ${told(answer)}`);
      if (method === 'normalize' && !isScoreOfEach(args[2] as readonly unknown[], nodes))
        throw wrong('normalize must leave a number for each node');
      return answer;
    };
  }
  return guard as unknown as Plugin;
}

/** What is thrown says whose it is. */
function attempt(call: () => unknown, method: string, wrong: (what: string) => Error): unknown {
  try {
    return call();
  } catch (error) {
    throw Object.assign(wrong(`${method} threw: ${errorText(error)}`), { cause: error });
  }
}

function isScoreOfEach(scores: readonly unknown[], nodes: number): boolean {
  return scores.length === nodes && scores.every(Number.isFinite);
}

interface Answer {
  readonly want: string;
  test(answer: unknown): boolean;
}

const isRejection = (answer: unknown): boolean => isJsonObject(answer) && typeof answer['reason'] === 'string';
/** An event with a mistyped word would never come, and pods wait for it. */
const RESOURCES: Readonly<Record<EventResource, true>> = {
  ...{ Node: true, Pod: true, Namespace: true, PersistentVolume: true, PersistentVolumeClaim: true },
  ...{ StorageClass: true, CSINode: true, CSIDriver: true, CSIStorageCapacity: true, VolumeAttachment: true },
};
const ACTIONS: Readonly<Record<ActionType, true>> = {
  ...{ Add: true, Delete: true, Update: true, UpdateNodeAllocatable: true, UpdateNodeLabel: true },
  ...{ UpdateNodeTaint: true, UpdateNodeCondition: true, UpdateNodeAnnotation: true },
  ...{ AssignedPodAdd: true, AssignedPodDelete: true, UpdatePodLabel: true, UpdatePodScaleDown: true },
  ...{ UpdatePodToleration: true, UpdatePodSchedulingGatesEliminated: true },
};

function isEvent(event: unknown): boolean {
  if (!isJsonObject(event)) return false;
  const { resource, actions, hint } = event as Record<string, unknown>;
  if (!Array.isArray(actions) || (hint !== undefined && typeof hint !== 'function')) return false;
  return Object.hasOwn(RESOURCES, String(resource)) && actions.every(each => Object.hasOwn(ACTIONS, String(each)));
}

const A_REJECTION = '{ reason, unresolvable }';

const ANSWERS: { readonly [M in (typeof METHODS)[number]]?: Answer } = {
  preEnqueue: { want: `nothing or ${A_REJECTION}`, test: a => a === undefined || isRejection(a) },
  compare: { want: 'a number', test: Number.isFinite },
  preFilter: {
    want: `nothing, 'skip', ${A_REJECTION} or { nodeNames: Set }`,
    test: a => a === undefined || a === 'skip' || isRejection(a) || (isJsonObject(a) && a['nodeNames'] instanceof Set),
  },
  filter: {
    want: `nothing or a list of ${A_REJECTION}`,
    test: a => a === undefined || (Array.isArray(a) && a.every(isRejection)),
  },
  preScore: { want: "nothing or 'skip'", test: a => a === undefined || a === 'skip' },
  score: { want: 'a number', test: Number.isFinite },
  reserve: { want: `nothing or ${A_REJECTION}`, test: a => a === undefined || isRejection(a) },
  eventsToRegister: {
    want: 'a list of { resource, actions } of known words',
    test: a => Array.isArray(a) && a.every(isEvent),
  },
  permit: {
    want: `'allow', ${A_REJECTION} or { waitMs }`,
    test: a => a === 'allow' || isRejection(a) || (isJsonObject(a) && Number.isFinite(a['waitMs'])),
  },
};

function told(answer: unknown): string {
  return typeof answer === 'number' ? String(answer) : (JSON.stringify(answer)?.slice(0, 100) ?? String(answer));
}
