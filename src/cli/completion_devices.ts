import type { CompletionNode } from "./completion_tree.ts";

/** How long a person who pressed TAB waits for the gateway. Ours to choose. */
const DEVICES_TIMEOUT_S = 2;

/** More names than anybody reads. Ours to choose. */
const DEVICES_MAX_COUNT = 5_000;

/** Flags that say which gateway is meant, and as whom, in each program. */
const GATEWAY_FLAGS = [
  "--manager",
  "--gateway",
  "--ca",
  "--cert",
  "--key",
  "--proxy",
];

/**
 * Returns a script for POSIX sh: it prints one device a line, by its name.
 * Called with the program, what has been typed of the word, and flags for what
 * lists devices.
 *
 * A device calls itself what it likes, and its name ends up on a command line:
 * who has more than letters, digits, dot, dash and underscore in it goes by
 * its id. So does everybody once `CID-` is typed. Errors stay unsaid: they
 * would be written into the line that a person is typing.
 */
export function devicesScript(tree: readonly CompletionNode[]): string {
  return `program=$1 typed=$2
shift 2
by_name='s/.*"name": *"\\([A-Za-z0-9][A-Za-z0-9._-]*\\)".*/\\1/p'
by_id='s/.*"id": *\\([0-9]\\{1,10\\}\\).*/CID-\\1/p'
case $typed in CID-*) by_name= ;; esac
{
  "$program" ${
    hasCommand(tree) ? "devices" : "--list"
  } --json "$@" </dev/null 2>/dev/null &
  asked=$!
  (sleep ${DEVICES_TIMEOUT_S}; kill "$asked") >/dev/null 2>&1 &
  limit=$!
  wait "$asked"
  kill "$limit"
  echo
} 2>/dev/null | tr "{" "\\n" | head -n ${DEVICES_MAX_COUNT} |
  sed -n -e "$by_name" -e t -e "$by_id"`;
}

/** Returns the flags with a value that what lists devices takes too. */
export function gatewayFlags(tree: readonly CompletionNode[]): string[] {
  const path = hasCommand(tree) ? "/devices" : "";
  const node = tree.find((node) => node.path === path);
  return (node?.options ?? []).flatMap(({ flags, value }) =>
    value && flags.some((flag) => GATEWAY_FLAGS.includes(flag)) ? flags : []
  );
}

/** Else it is a flag of the program itself. */
function hasCommand(tree: readonly CompletionNode[]): boolean {
  return tree.some(({ path }) => path === "/devices");
}
