import { readSources } from "./read_sources.ts";

/** Folders of the portable core, which the operator's web console runs too. */
const CORE = "src/{base,protocol,stream,transport}/**/*.ts";

const texts = await readSources(CORE);
const { outputs } = await Bun.build({
  entrypoints: [...texts.keys()],
  root: "src",
  target: "browser",
  splitting: true,
});
const bytes = outputs.reduce((sum, { size }) => sum + size, 0);
process.stdout.write(`${texts.size} files, ${Math.round(bytes / 1024)} KiB\n`);
