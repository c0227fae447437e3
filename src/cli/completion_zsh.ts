import { devicesScript, gatewayFlags } from "./completion_devices.ts";
import { completionTable, posixQuote } from "./completion_table.ts";
import type { CompletionNode } from "./completion_tree.ts";

/**
 * Returns a completion script for zsh, to be sourced or to be put into a
 * directory of fpath as `_NAME`.
 */
export function zshCompletion(
  name: string,
  tree: readonly CompletionNode[],
): string {
  const fn = `_${name.replace(/[^A-Za-z0-9]/g, "_")}`;
  return `#compdef ${name}
# zsh completion for ${name}

${completionTable(fn, tree, described)}

${fn}_devices() {
  command sh -c ${posixQuote(devicesScript(tree))} sh "$@"
}
${walker(fn, gatewayFlags(tree))}
# From fpath this file is the body of a function.
if [[ $funcstack[1] == _${name} ]]; then
  ${fn} "$@"
else
  compdef ${fn} ${name}
fi`;
}

/** Finds out where in the command line we are, then offers what fits. */
function walker(fn: string, passed: readonly string[]): string {
  return `
${fn}() {
  local where= flag= kind= word i
  local -i operand=0 limit=0
  local -a commands flags valued choices gateway names
  ${fn}_table ''
  for ((i = 2; i < CURRENT; i++)); do
    names=(\${commands%%:*})
    word=\${(Q)words[i]}
    if [[ -n $flag ]]; then
      case $flag in
        (${passed.join("|") || "''"})
          gateway+=("$flag" "\${word/#\\~\\//$HOME/}") ;;
      esac
      flag=
    elif [[ $word == -- ]]; then
      return 1
    elif [[ $word == -* ]]; then
      if (( \${valued[(Ie)$word]} )); then flag=$word; fi
    elif (( operand == 0 && \${names[(Ie)$word]} )); then
      where+=/$word
      ${fn}_table "$where"
    else
      (( ++operand ))
    fi
  done
  if [[ -z $flag && $PREFIX == --*=* ]]; then
    flag=\${PREFIX%%=*}
    compset -P '*='
  fi
  if [[ -n $flag ]]; then
    ${fn}_value "$where" "$flag"
  elif [[ $PREFIX == -* ]] && (( operand < limit )); then
    _describe -o flag flags
    return
  elif (( $#commands && operand == 0 )); then
    _describe command commands
    return
  else
    ${fn}_value "$where" "$operand"
  fi
  case $kind in
    (choices) compadd -a choices ;;
    (device)
      compset -P '*@'
      choices=(\${(f)"$(${fn}_devices "\${words[1]/#\\~\\//$HOME/}" "$PREFIX" $gateway)"})
      compadd -a choices ;;
    (file) _files ;;
    (directory) _files -/ ;;
    (program) _command_names -e ;;
    (*) return 1 ;;
  esac
}`;
}

/** A name and what it means, as _describe takes them. */
function described(name: string, description: string): string {
  return `${name}:${description}`;
}
