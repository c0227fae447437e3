import { Fault } from "../protocol/fault.ts";
import { isAuthorityUnknown } from "../runtime/dial_fault.ts";

/**
 * Returns `error`, or if it is that the gateway's authority is unknown, the
 * same fault with how that becomes known to an operator: there is no flag in
 * the hint, and none that switches verification off.
 *
 * @param folder Where the certificates of the gateway's site belong.
 */
export function withCaHint(error: unknown, folder: string): unknown {
  if (!(error instanceof Fault) || !isAuthorityUnknown(error.cause)) {
    return error;
  }
  return new Fault(error.code, error.message, {
    hint: `Save the certificate of the site's CA as ${folder}/ca.pem, ` +
      "or import the .p12 that carries it",
    cause: error.cause,
  });
}
