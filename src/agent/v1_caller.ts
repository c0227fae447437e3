import { plainText } from "../base/text.ts";
import { OPERATOR_NAME_MAX_CHARS } from "../protocol/limits.ts";

/** Of an id of protocol 1, which is whatever a peer has made up. */
const ID_SHOWN_MAX_CHARS = 128;

/** Whoever wants something over protocol 1, as the log shows it. */
export interface V1Caller {
  readonly tunnelId: string;
  readonly operator: string;
}

/**
 * Returns how a request of protocol 1 is shown: migasfree's relay passes the
 * operator's name on as the operator gives it, so that it proves nothing.
 */
export function v1Caller(id: string, clientCn: string | undefined): V1Caller {
  const name = plainText(clientCn ?? "unknown", OPERATOR_NAME_MAX_CHARS);
  return {
    tunnelId: plainText(id, ID_SHOWN_MAX_CHARS),
    operator: `${name} (not verified)`,
  };
}
