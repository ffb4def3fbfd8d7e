/** Every match and target that a real kernel prints: read, and written again as it was. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { explainRule } from './explain/explain-rule.ts';
import { parseRule } from './parse-rule.ts';
import { parseSave } from './parse-save.ts';
import { renderRule } from './render-rule.ts';

describe.each([
  { file: 'save-iptables-nft.txt', family: 'ipv4' },
  { file: 'save-ip6tables-legacy.txt', family: 'ipv6' },
] as const)('the rules of $file', ({ file, family }) => {
  const saved = parseSave(readFileSync(new URL(`../testdata/${file}`, import.meta.url), 'utf8'));
  const rules = [...saved].flatMap(([table, chains]) =>
    [...chains.values()].flatMap(chain => chain.rules.map(rule => ({ table, text: rule.text }))),
  );

  test('are there, in four tables', () => {
    expect([...saved.keys()].toSorted()).toEqual(['filter', 'mangle', 'nat', 'raw']);
    expect(rules.length).toBeGreaterThan(120);
  });

  test.each(rules)('$table: $text', ({ text }) => {
    const rule = parseRule(text);
    expect(renderRule(rule, family)).toBe(text);
    expect(explainRule(rule)).toMatch(/^[A-Z].*\.( \(".*"\))?$/s);
  });
});
