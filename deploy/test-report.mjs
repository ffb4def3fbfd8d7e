// What jest's reports say, for test.sh:
//   failed-files FIRST           the files with a failed test, or that could not run
//   mended FIRST SECOND          the tests that failed in FIRST and passed in SECOND
//   count FIRST [SECOND]         "PASSED FAILED"; a file that SECOND has counts as it went there. No report, or one without tests, is a failure.
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

const [command, firstPath, secondPath] = process.argv.slice(2);
const read = path => (path !== undefined && existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).testResults : []);
const first = read(firstPath);
const second = read(secondPath);
const names = (files, status) =>
  files.flatMap(file => file.assertionResults.filter(t => t.status === status).map(t => `${file.name} ${t.fullName}`));
// A file that could not run has no tests, and one failure.
const failures = file => Math.max(names([file], 'failed').length, file.status === 'failed' ? 1 : 0);

if (command === 'failed-files') {
  for (const file of first.filter(failures)) console.log(relative('.', file.name));
} else if (command === 'mended') {
  const passedNow = new Set(names(second, 'passed'));
  for (const name of names(first, 'failed').filter(n => passedNow.has(n))) console.log(relative('.', name));
} else {
  const ranAgain = new Set(second.map(file => file.name));
  const files = [...first.filter(file => !ranAgain.has(file.name)), ...second];
  const failed = files.reduce((sum, file) => sum + failures(file), 0);
  console.log(names(files, 'passed').length, files.length === 0 ? 1 : failed);
}
