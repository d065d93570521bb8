import { FRAGILE } from "../src/index.js";
import { describeCaught } from "./caught.js";

describeCaught(FRAGILE);
