/** Objects that suites use: all from the image that k8ts brings along, so that no registry is needed. */

export const IMAGE = 'docker.io/k8ts/demo:1';

type Json = Record<string, unknown>;

interface PodOptions {
  readonly command?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Merged into the container. */
  readonly container?: Json;
  /** Merged into the spec. */
  readonly spec?: Json;
}

/** A pod of one container named `main`; without command it serves HTTP on 8080. It ends at once when told to. */
export function pod(name: string, { command, labels, container, spec }: PodOptions = {}): Json {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name, ...labels } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'main',
          image: IMAGE,
          imagePullPolicy: 'IfNotPresent',
          ...(command === undefined ? {} : { command }),
          ...container,
        },
      ],
      ...spec,
    },
  };
}

/** Runs a script in busybox' shell. */
export function shell(script: string): string[] {
  return ['/bin/sh', '-c', script];
}

/** Sleeps until told to end. */
export const IDLE = shell('trap "exit 0" TERM; sleep 100000 & wait');

interface DeploymentOptions extends PodOptions {
  readonly replicas?: number;
}

export function deployment(name: string, { replicas = 1, ...options }: DeploymentOptions = {}): Json {
  const { spec, metadata } = pod(name, options) as { spec: Json; metadata: { labels: Json } };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels: { app: name } },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: metadata.labels }, spec },
    },
  };
}

export function service(name: string, spec: Json = {}): Json {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, labels: { app: name } },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }], ...spec },
  };
}
