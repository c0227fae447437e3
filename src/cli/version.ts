/** Put in by scripts/build.ts; absent when the source runs unbuilt. */
declare const MIGASFREE_VERSION: string | undefined;
declare const MIGASFREE_COMMIT: string | undefined;

/** Semantic version of this program; `0.0.0-source` when it was not built. */
export const VERSION: string = typeof MIGASFREE_VERSION === "string"
  ? MIGASFREE_VERSION
  : "0.0.0-source";

/**
 * Git commit this program was built from: 12 hexadecimal digits, with `-dirty`
 * after them if the tree held changes, or `unknown` outside git.
 */
export const COMMIT: string = typeof MIGASFREE_COMMIT === "string"
  ? MIGASFREE_COMMIT
  : "unknown";
