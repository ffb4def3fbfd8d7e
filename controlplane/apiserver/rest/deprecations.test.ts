import { expect, test } from '@jest/globals';
import type { Request } from '../server/request.ts';
import { requestInfo } from '../server/request-info.ts';
import { deprecation } from './deprecations.ts';

const of = (path: string): string | undefined =>
  deprecation(
    requestInfo({ method: 'GET', path, rawQuery: '', query: new URLSearchParams(), headers: {} } as unknown as Request),
  );

test.each([
  ['/api/v1/endpoints', 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'],
  ['/api/v1/namespaces/x/endpoints/y', 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'],
  [
    '/apis/policy/v1beta1/namespaces/x/poddisruptionbudgets',
    'policy/v1beta1 PodDisruptionBudget is deprecated in v1.21+, unavailable in v1.25+; use policy/v1 PodDisruptionBudget',
  ],
  ['/apis/policy/v1/namespaces/x/poddisruptionbudgets', undefined],
  ['/apis/discovery.k8s.io/v1/endpointslices', undefined],
])('deprecation() of %s: %s', (path, want) => expect(of(path)).toBe(want));
