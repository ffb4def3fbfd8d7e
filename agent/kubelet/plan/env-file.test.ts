import { expect, test } from '@jest/globals';
import { envFileValue } from './env-file.ts';

test.each([
  ['a value', "A='1'", '1'],
  ['the first of two', "A='1'\nA='2'", '1'],
  ['among others', "# comment\n\n  B='x'\n\tA='1' # why\n", '1'],
  ['nothing is expanded', 'A=\'$B \\n "x" #\'', '$B \\n "x" #'],
  ['over lines', "A='one\n# two\n\nthree'\nB='2'", 'one\n# two\n\nthree'],
  ['lines of Windows', "A='1'\r\nB='2'\r\n", '1'],
  ['an empty one', "A=''", ''],
  ['a blank after =', "A= '1'", ''],
  ['no such', "B='1'", undefined],
  ['an empty file', '', undefined],
  ['what is wrong behind it is not looked at', "A='1'\nnonsense", '1'],
])('envFileValue(): %s', (_name, text, want) => {
  expect(envFileValue(text, 'A')).toBe(want);
});

test.each([
  ["no '='", 'A', "at line 1: missing '='"],
  ['no name', "\n='1'", 'at line 2: empty variable name'],
  ['a blank before =', "A ='1'", "at line 1: whitespace before '=' is not allowed"],
  ['no quotes', 'A=1', 'at line 1: value must be enclosed in single quotes'],
  ['double quotes', 'A="1"', 'at line 1: value must be enclosed in single quotes'],
  ['something behind', "A='1'2", 'at line 1: unexpected content after closing quote'],
  ['something behind the last line', "A='1\n2' x", 'at line 2: unexpected content after closing quote'],
  ['no end', "B='1'\nA='1\n2\n", 'starting at line 2: unclosed single quote'],
  ['wrong before it', "B=1\nA='1'", 'at line 1: value must be enclosed in single quotes'],
])('envFileValue() refuses %s', (_name, text, want) => {
  expect(() => envFileValue(text, 'A')).toThrow(`invalid environment variable format ${want}`);
});
