/**
 * Short descriptions for `kubectl explain`: of types, and of fields by `Type.field`, by the field's name, or by the type that it has.
 */
import { FIELD_DESCRIPTIONS } from './fields.ts';
import { TYPE_FIELD_DESCRIPTIONS } from './fields-of-types.ts';
import { TYPE_DESCRIPTIONS } from './types.ts';

/** '' where nothing is written down. */
export function describeType(name: string): string {
  const own = TYPE_DESCRIPTIONS[name];
  if (own !== undefined) return own;
  for (const [suffix, text] of SUFFIXES) {
    const stem = name.endsWith(suffix) ? name.slice(0, -suffix.length) : '';
    if (stem !== '') return text.replace('%', spoken(stem));
  }
  return '';
}

/** @param ofType name of the type that the field has, if it is one of the table's */
export function describeField(type: string, field: string, ofType = ''): string {
  return TYPE_FIELD_DESCRIPTIONS[`${type}.${field}`] ?? FIELD_DESCRIPTIONS[field] ?? describeType(ofType);
}

/** All that is written down: a change of it is a change of the documents. */
export const DESCRIPTIONS = [TYPE_DESCRIPTIONS, FIELD_DESCRIPTIONS, TYPE_FIELD_DESCRIPTIONS];

/** What types are whose names say it. */
const SUFFIXES: readonly (readonly [suffix: string, text: string])[] = [
  ['List', 'A list: %.'],
  ['TemplateSpec', 'What each % is made from.'],
  ['Spec', 'What is wanted of the %.'],
  ['Status', 'The % as the system sees it.'],
  ['Condition', 'One word on the state of the %.'],
  ['PersistentVolumeSource', 'Where the volume is: %.'],
  ['VolumeSource', 'Where the volume is: %.'],
  ['Projection', 'One source of a projected volume: %.'],
  ['Selector', 'Which %.'],
  ['Reference', 'Names the %.'],
  ['Requirement', 'One requirement: %.'],
  ['Rule', 'One rule: %.'],
  ['Policy', 'A policy: %.'],
  ['Strategy', 'How it is done: %.'],
];

/** `DaemonSetUpdate` as `daemon set update`; abbreviations stay. */
function spoken(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1 $2')
    .split(' ')
    .map(word => (/^[A-Z][a-z]/.test(word) ? word.toLowerCase() : word))
    .join(' ');
}
