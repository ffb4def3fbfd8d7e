/** Columns that tables of workloads share. */
import { compileLabelSelector } from '../../../../machinery/meta/label-selector.ts';
import type { PodTemplateSpec } from '../../../../proto/api/core-v1.ts';
import type { LabelSelector } from '../../../../proto/api/meta-v1.ts';
import type { Column } from '../../registry/strategy.ts';
import { wide } from '../columns/column.ts';

/** Names and images of a template's containers, both wide. */
export function containerColumns<T>(templateOf: (object: T) => PodTemplateSpec | undefined): Column<T>[] {
  return [
    wide('Containers', 'Names of the containers.', object => listed(templateOf(object), 'name')),
    wide('Images', 'Images of the containers.', object => listed(templateOf(object), 'image')),
  ];
}

/** The selector as text, wide. */
export function selectorColumn<T>(selectorOf: (object: T) => LabelSelector | undefined): Column<T> {
  return wide('Selector', 'Labels of the pods that belong to the object.', object => selectorText(selectorOf(object)));
}

/** As `kubectl get` writes a selector. */
export function selectorText(selector: LabelSelector | undefined): string {
  if (selector === undefined) return '<none>';
  const text = compileLabelSelector(selector).toString();
  return text === '' ? '<none>' : text;
}

function listed(template: PodTemplateSpec | undefined, field: 'name' | 'image'): string {
  return (template?.spec?.containers ?? []).map(container => container[field] ?? '').join(',');
}
