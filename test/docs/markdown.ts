/** A heading of a document and what stands below it, up to the next one. */
export interface Section {
  /** As it is written, without the marks: "4.1 `hello`". */
  readonly title: string;
  readonly text: string;
}

/** A fenced block of a document. */
export interface Fence {
  readonly language: string;
  readonly text: string;
  /** The last line of text before it. */
  readonly lead: string;
}

/** Cuts a document at its headings of all levels. */
export function sectionsOf(markdown: string): Section[] {
  return markdown.split(/^#{1,6} /m).slice(1).map((part) => {
    const end = part.indexOf("\n");
    return { title: part.slice(0, end).trim(), text: part.slice(end) };
  });
}

/** Returns the one section whose title begins with `start`. */
export function sectionOf(markdown: string, start: string): Section {
  const found = sectionsOf(markdown).filter(({ title }) =>
    title.startsWith(start)
  );
  const [section] = found;
  if (!section || found.length > 1) {
    throw new Error(`There are ${found.length} sections "${start}"`);
  }
  return section;
}

/** Returns the rows of all tables, heads left out; code marks are taken off. */
export function tableRows(text: string): string[][] {
  const lines = text.split("\n");
  return lines.flatMap((line, at) => {
    const isHead = /^\|[ :|-]+\|$/.test(lines[at + 1] ?? "");
    if (isHead || !/^\|.*\|$/.test(line) || /^\|[ :|-]+\|$/.test(line)) {
      return [];
    }
    return [
      line.slice(1, -1).split("|")
        .map((cell) => cell.trim().replace(/^`([^`]*)`$/, "$1")),
    ];
  });
}

/** Returns the fenced blocks of a document. */
export function fencesOf(markdown: string): Fence[] {
  return [...markdown.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].map((match) => {
    const [, language = "", text = ""] = match;
    const before = markdown.slice(0, match.index).trimEnd();
    const lead = before.slice(before.lastIndexOf("\n") + 1);
    return { language, text, lead };
  });
}
