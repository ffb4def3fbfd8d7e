/** OpenAPI v2 and v3 of whatever kinds the server has. */
export { OpenApi, PROTO_V2_TYPE } from './open-api.ts';
