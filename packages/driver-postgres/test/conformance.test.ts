import { describeDriver } from "@fastpaca/conformance/vitest";
import { afterAll, describe, test } from "vitest";
import subject, { server } from "./conformance.driver.js";

const running = await server();
afterAll(() => running?.stop());

if (running === undefined) describe.skip("driver postgres", () => test("needs Postgres", () => undefined));
else describeDriver(subject);
