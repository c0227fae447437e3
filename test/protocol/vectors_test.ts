import { expect, test } from "bun:test";
import {
  parseFromAgent,
  parseFromGateway,
} from "../../src/protocol/control.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { parseStreamMessage } from "../../src/protocol/stream_message.ts";
import controlFromAgent from "../vectors/control_from_agent.json";
import controlFromGateway from "../vectors/control_from_gateway.json";
import stream from "../vectors/stream.json";

/** One line of `test/vectors`: a text, and what it must be read as. */
interface Vector {
  readonly name: string;
  readonly text: string;
  readonly message?: unknown;
  readonly fault?: string;
}

const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  parseFromAgent,
  parseFromGateway,
  parseStreamMessage,
};

for (
  const { parser, vectors } of [controlFromAgent, controlFromGateway, stream]
) {
  const parse = PARSERS[parser];
  if (!parse) throw new Error(`There is no ${parser}`);
  for (const vector of vectors as readonly Vector[]) {
    test(`${parser}() ${vector.fault ? "refuses" : "reads"} ${vector.name}`, () => {
      expect(outcome(parse, vector.text)).toStrictEqual(expected(vector));
      if (vector.fault) return;
      // What was read, written again, is read as the same.
      const again = JSON.stringify(parse(vector.text));
      expect(parse(again)).toStrictEqual(vector.message);
    });
  }
  test(`${parser}() has a vector of each kind, under a name of its own`, () => {
    const names = vectors.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(vectors.map((vector) => "fault" in vector)).size).toBe(2);
  });
}

function outcome(parse: (text: string) => unknown, text: string): unknown {
  try {
    return { message: parse(text) };
  } catch (error) {
    if (error instanceof Fault) return { fault: error.code };
    throw error;
  }
}

function expected({ message, fault }: Vector): unknown {
  return fault ? { fault } : { message };
}
