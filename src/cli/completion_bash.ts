import { devicesScript, gatewayFlags } from "./completion_devices.ts";
import { completionTable, posixQuote } from "./completion_table.ts";
import type { CompletionNode } from "./completion_tree.ts";

/**
 * Returns a completion script for bash 3.2 and newer, which needs no other
 * file. Names are compared one by one and never go through `compgen -W`: it
 * would expand, and run, what is in them.
 */
export function bashCompletion(
  name: string,
  tree: readonly CompletionNode[],
): string {
  const fn = `_${name.replace(/[^A-Za-z0-9]/g, "_")}`;
  return `# bash completion for ${name}

${completionTable(fn, tree, (it) => it)}

${fn}_devices() {
  command sh -c ${posixQuote(devicesScript(tree))} sh "$@"
}
${walker(fn, gatewayFlags(tree))}
${helpers(fn)}
complete -F ${fn} ${name}`;
}

/** Finds out where in the command line we are, then offers what fits. */
function walker(fn: string, passed: readonly string[]): string {
  return `
${fn}() {
  local line=\${COMP_LINE:0:COMP_POINT} current= path= flag= kept= word i
  local operand=0 kind= limit=0
  local words=() commands=() flags=() valued=() choices=() gateway=()
  # Not COMP_WORDS: bash breaks those at = : and @ too.
  read -a words <<<"$line"
  if [[ $line != *[[:space:]] ]]; then
    current=\${words[\${#words[@]} - 1]}
    words=("\${words[@]:0:\${#words[@]} - 1}")
  fi
  COMPREPLY=()
  ${fn}_table ''
  for ((i = 1; i < \${#words[@]}; i++)); do
    word=\${words[i]}
    if [[ -n $flag ]]; then
      case $flag in
        ${passed.join("|") || "''"})
          gateway+=("$flag" "\${word/#\\~\\//$HOME/}") ;;
      esac
      flag=
    elif [[ $word == -- ]]; then
      return
    elif [[ $word == -* ]]; then
      if ${fn}_has "$word" "\${valued[@]}"; then flag=$word; fi
    elif ((operand == 0)) && ${fn}_has "$word" "\${commands[@]}"; then
      path+=/$word
      ${fn}_table "$path"
    else
      ((operand++))
    fi
  done
  if [[ -z $flag && $current == --*=* ]]; then
    flag=\${current%%=*} kept=\${current%%=*}= current=\${current#*=}
  fi
  if [[ -n $flag ]]; then
    ${fn}_value "$path" "$flag"
  elif [[ $current == -* ]] && ((operand < limit)); then
    kind=choices choices=("\${flags[@]}")
  elif ((\${#commands[@]} > 0 && operand == 0)); then
    kind=choices choices=("\${commands[@]}")
  else
    ${fn}_value "$path" "$operand"
  fi
  ${fn}_reply
}
`;
}

/** Fills COMPREPLY; bash replaces what follows the last of its word breaks. */
function helpers(fn: string): string {
  return `${fn}_has() {
  local wanted=$1 one
  shift
  for one; do [[ $one != "$wanted" ]] || return 0; done
  return 1
}

${fn}_reply() {
  local one before
  case $kind in
    device)
      [[ $current != *@* ]] || kept+=\${current%"\${current##*@}"}
      current=\${current##*@}
      while IFS= read -r one; do choices+=("$one"); done < <(
        ${fn}_devices "\${words[0]/#\\~\\//$HOME/}" "$current" "\${gateway[@]}"
      ) ;;
    file | directory | program)
      compopt -o filenames 2>/dev/null
      local action=-f
      [[ $kind != directory ]] || action=-d
      [[ $kind != program ]] || action=-c
      while IFS= read -r one; do COMPREPLY+=("$one"); done < <(
        compgen "$action" -- "\${current/#\\~\\//$HOME/}"
      )
      return ;;
  esac
  before=\${kept##*["$COMP_WORDBREAKS"]}
  # readline counts an @ to the word that it begins.
  [[ $kept != *@ || $COMP_WORDBREAKS != *@* ]] || before=@
  for one in "\${choices[@]}"; do
    [[ $one != "$current"* ]] || COMPREPLY+=("$before$one")
  done
}`;
}
