/**
 * Asks the authorizers whether the caller may do this; silence is a no.
 */
import { allowOrForbid, type Authorizer } from '../authz/authorizer.ts';
import type { Filter } from '../server/exchange.ts';

export function authorize(authorizer: Authorizer): Filter {
  return async (exchange, next) => {
    const { info, user, request } = exchange;
    if (!user.groups.includes('system:masters')) {
      const { verb, isResource, group, version, resource, subresource, namespace, name, path } = info;
      const fieldSelector = request.query.get('fieldSelector') ?? undefined;
      await allowOrForbid(authorizer, {
        user,
        verb,
        isResource,
        group,
        version,
        resource,
        subresource,
        namespace,
        name,
        path,
        fieldSelector,
      });
    }
    return next(exchange);
  };
}
