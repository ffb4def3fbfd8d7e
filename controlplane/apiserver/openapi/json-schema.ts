/** The part of JSON Schema that OpenAPI documents of Kubernetes use. */
export interface JsonSchema {
  description?: string;
  type?: string;
  format?: string;
  $ref?: string;
  allOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  default?: unknown;
  enum?: readonly string[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema;
  required?: string[];
  /** `x-kubernetes-*` */
  [extension: `x-${string}`]: unknown;
}
