import { describe, expect, test } from '@jest/globals';
import { servedKinds } from './runtime-config.ts';

const BETAS = ['batch/v1beta1 CronJob', 'discovery.k8s.io/v1beta1 EndpointSlice', 'policy/v1beta1 PodDisruptionBudget'];

function betas(...settings: string[]): string[] {
  return servedKinds(settings)
    .filter(info => info.version.includes('beta'))
    .map(info => `${info.group}/${info.version} ${info.kind}`);
}

describe('servedKinds()', () => {
  test.each([
    ['no setting', [], []],
    ['api/beta', ['api/beta=true'], BETAS],
    ['api/all without a value', ['api/all'], BETAS],
    ['api/alpha, of which there is none', ['api/alpha=true'], []],
    ['one version', ['policy/v1beta1=true'], [BETAS[2]]],
    ['all but one version', ['api/beta=true', 'policy/v1beta1=false'], [BETAS[0], BETAS[1]]],
    ['one resource', ['batch/v1beta1/cronjobs=true'], [BETAS[0]]],
    ['no beta among all', ['api/all=true', 'api/beta=false'], []],
    ['stable versions, which are served anyway', ['apps/v1=true', 'api/v1=true', 'authorization.k8s.io/v1'], []],
  ])('%s', (_name, settings, expected) => {
    expect(betas(...settings)).toEqual(expected);
  });

  test.each([
    ['polcy/v1beta1=true', '"polcy/v1beta1=true" names an unknown API group: polcy'],
    ['policy/v2=true', '"policy/v2=true" names a version that is not there; there are: v1, v1beta1'],
    ['policy=true', '"policy=true" names no version, such as policy/v1beta1'],
    ['policy/v1beta1/pods=true', '"policy/v1beta1/pods=true" names a resource that policy/v1beta1 does not have: pods'],
    ['policy/v1beta1=yes', '"policy/v1beta1=yes" is not API=true or API=false, such as policy/v1beta1=true'],
    ['apps/v1=false', '"apps/v1=false" would turn off stable APIs, which k8ts itself needs'],
    ['api/all=false', '"api/all=false" would turn off stable APIs, which k8ts itself needs'],
  ])('refuses %s', (setting, message) => {
    expect(() => servedKinds([setting])).toThrow(message);
  });
});
