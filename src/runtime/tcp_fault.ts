import { Fault } from "../protocol/fault.ts";
import {
  printSocketAddress,
  type SocketAddress,
} from "../protocol/socket_address.ts";

/** Why nothing could be reached at `address`, by the system's error code. */
export function refusedFault(
  address: SocketAddress,
  code: string | undefined,
  cause: unknown,
): Fault {
  const { why, hint } = reasonOf(code);
  return new Fault(
    "serviceRefused",
    `Cannot reach ${printSocketAddress(address)}: ${why}`,
    {
      hint,
      cause,
    },
  );
}

function reasonOf(code: string | undefined): { why: string; hint: string } {
  switch (code) {
    case "ECONNREFUSED":
      return {
        why: "the connection was refused",
        hint: "Start the program that should listen there",
      };
    case "ETIMEDOUT":
      return {
        why: "it did not answer in time",
        hint: "Check that the host is up and its firewall lets us in",
      };
    case "ENETUNREACH":
    case "EHOSTUNREACH":
    case "EADDRNOTAVAIL":
      return {
        why: "there is no route to it",
        hint: "Check the address and the network",
      };
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return {
        why: "its name was not found",
        hint: "Check the name, or give an IP address",
      };
    default:
      return {
        why: code ?? "the connection failed",
        hint: "Check the address and the program that should listen there",
      };
  }
}

/** Why nobody can listen at `address`. */
export function cannotListenFault(
  address: SocketAddress,
  error: NodeJS.ErrnoException,
  hint = "Choose another address or port; port 0 takes any free one",
): Fault {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: "another program listens there",
    EADDRNOTAVAIL: "this computer does not have that address",
    EACCES: "it is not permitted",
  };
  const why = reasons[error.code ?? ""] ?? error.code ??
    "the address cannot be used";
  return new Fault(
    "configInvalid",
    `Cannot listen on ${printSocketAddress(address)}: ${why}`,
    {
      hint,
      cause: error,
    },
  );
}
