import * as z from "zod/mini";

/** Text that says a whole number, as queries do; `min` to `max`. */
export function wholeSchema(
  min: number,
  max: number,
): z.ZodMiniType<number, string> {
  return z.pipe(
    z.pipe(z.string().check(z.regex(/^[0-9]{1,10}$/)), z.transform(Number)),
    z.int().check(z.minimum(min), z.maximum(max)),
  );
}
