/** Lets requests in that come from somebody who may. The answers to all others are upstream's. */
import type { Logger } from '../../../../machinery/process/logger.ts';
import { HttpError, type Exchange } from '../exchange.ts';
import { nodeAccess } from '../plan/node-request.ts';
import type { Authenticator } from './authenticator.ts';
import type { NodeAuthorizer } from './node-authorizer.ts';
import type { RequestUser } from './request-user.ts';

export class Gatekeeper {
  private readonly authenticator: Authenticator;
  private readonly authorizer: NodeAuthorizer;
  private readonly logger: Logger;

  constructor(authenticator: Authenticator, authorizer: NodeAuthorizer, logger: Logger) {
    this.authenticator = authenticator;
    this.authorizer = authorizer;
    this.logger = logger;
  }

  /** @throws HttpError 401, 403, or 500 when nobody can say */
  async permit({ request, path }: Exchange): Promise<void> {
    const user = await this.userOf(request);
    if (user === undefined) throw new HttpError(401, 'Unauthorized');
    const access = nodeAccess(request.method ?? 'GET', path);
    const { verb, subresources } = access;
    const what = (subresource: string): string => `(user=${user.name}, verb=${verb}, resource=nodes, ${subresource})`;
    const allowed = await this.authorizer.allows(user, access).catch((error: unknown) => {
      this.logger.warn({ err: error, user: user.name }, 'Nobody can say whether a user may ask the kubelet');
      throw new HttpError(500, `Authorization error ${what(`subresource=${subresources[0]}`)}`);
    });
    if (!allowed) throw new HttpError(403, `Forbidden ${what(`subresource(s)=[${subresources.join(' ')}]`)}`);
  }

  private async userOf(request: Exchange['request']): Promise<RequestUser | undefined> {
    try {
      return await this.authenticator.userOf(request);
    } catch (error) {
      this.logger.warn({ err: error }, 'The API server cannot be asked whose token this is');
      return undefined;
    }
  }
}
