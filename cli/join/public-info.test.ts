import { describe, expect, test } from '@jest/globals';
import { clusterInfo } from '../../controlplane/apiserver/bootstrap/default-objects.ts';
import { authorityIn } from './public-info.ts';

const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

describe('authorityIn()', () => {
  test('reads what a control plane publishes', async () => {
    expect(await authorityIn(JSON.stringify(clusterInfo('https://10.0.0.1:6443', pem)))).toBe(pem);
  });

  test('reads a kubeconfig in YAML', async () => {
    const data = Buffer.from(pem).toString('base64');
    const kubeconfig = `clusters:\n- cluster:\n    certificate-authority-data: ${data}\n    server: https://a\n  name: ""\n`;
    expect(await authorityIn(JSON.stringify({ data: { kubeconfig } }))).toBe(pem);
  });

  test.each([
    ['no JSON', '<html>'],
    ['a Status', '{"kind":"Status"}'],
    ['no clusters', '{"data":{"kubeconfig":"{}"}}'],
    ['no authority', '{"data":{"kubeconfig":"{\\"clusters\\":[{\\"cluster\\":{}}]}"}}'],
  ])('finds nothing in %s', async (_, body) => {
    expect(await authorityIn(body)).toBeUndefined();
  });
});
