/** Renders the facts table of a protobuf package (services, messages, enums) as the text of a proto3 file. Pure. */

/** One field: number, name, type as proto3 spells it. */
export interface ProtoField {
  readonly n: number;
  readonly name: string;
  readonly type: string;
  readonly repeated?: boolean;
  readonly deprecated?: boolean;
}

/** One call of a service. */
export interface ProtoMethod {
  readonly name: string;
  readonly request: string;
  readonly response: string;
  readonly responseStream?: boolean;
}

/** A whole package. An enum named `Message.Enum` is nested in that message. */
export interface ProtoTable {
  readonly package: string;
  readonly services: Readonly<Record<string, readonly ProtoMethod[]>>;
  readonly messages: Readonly<Record<string, readonly ProtoField[]>>;
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** The .proto text: services, then messages, then enums, each in the table's order. */
export function renderProto(table: ProtoTable): string {
  const enums = Object.entries(table.enums);
  const services = Object.entries(table.services).map(([name, methods]) =>
    block(`service ${name}`, methods.map(renderMethod)),
  );
  const messages = Object.entries(table.messages).map(([name, fields]) => {
    const nested = enums.filter(([enumName]) => enumName.startsWith(`${name}.`));
    return block(`message ${name}`, [
      ...nested.flatMap(([enumName, values]) => renderEnum(enumName.slice(name.length + 1), values).split('\n')),
      ...fields.map(renderField),
    ]);
  });
  const topLevel = enums.filter(([name]) => !name.includes('.')).map(([name, values]) => renderEnum(name, values));
  const header = [
    '// Generated from cri-v1.json by generate.ts; do not edit.',
    'syntax = "proto3";',
    `package ${table.package};`,
  ];
  return [...header, ...services, ...messages, ...topLevel].join('\n\n') + '\n';
}

function renderMethod(method: ProtoMethod): string {
  const stream = method.responseStream === true ? 'stream ' : '';
  return `rpc ${method.name}(${method.request}) returns (${stream}${method.response}) {}`;
}

function renderField(field: ProtoField): string {
  const label = field.repeated === true ? 'repeated ' : '';
  const type = field.type.replace(',', ', ');
  return `${label}${type} ${field.name} = ${field.n}${field.deprecated === true ? ' [deprecated = true]' : ''};`;
}

function renderEnum(name: string, values: Readonly<Record<string, number>>): string {
  return block(
    `enum ${name}`,
    Object.entries(values).map(([value, n]) => `${value} = ${n};`),
  );
}

function block(head: string, lines: readonly string[]): string {
  return lines.length === 0 ? `${head} {}` : `${head} {\n${lines.map(line => `  ${line}\n`).join('')}}`;
}
