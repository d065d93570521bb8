import { describeDriver } from "@fastpaca/conformance/vitest";
import subject from "./conformance.driver.js";

describeDriver(subject);
