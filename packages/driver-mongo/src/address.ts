/** Where a store is, as a URL says it. */
export interface Address {
  /** What the client library is given: the URL without what only this driver understands. */
  readonly url: string;
  readonly database: string;
  readonly collectionPrefix: string;
}

const DEFAULT_DATABASE = "fastpaca";

/**
 * Reads `mongodb://…/DATABASE?collectionPrefix=PREFIX`. Everything else is the client library's to understand, and to
 * refuse.
 * @throws where it is no MongoDB URL. Messages do not quote it: it may hold a password.
 */
export function readAddress(text: string): Address {
  const match = /^(mongodb(?:\+srv)?:\/\/[^/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/u.exec(text);
  if (match === null) throw new Error("a MongoDB URL looks like mongodb://HOST:PORT/DATABASE");
  const [, server = "", path = "", query = ""] = match;
  const parameters = query === "" ? [] : query.split("&");
  const own = parameters.filter((parameter) => parameter.startsWith(`${OWN_PARAMETER}=`));
  const others = parameters.filter((parameter) => !own.includes(parameter));
  return {
    url: `${server}/${path}${others.length === 0 ? "" : `?${others.join("&")}`}`,
    database: path === "" ? DEFAULT_DATABASE : decode(path),
    collectionPrefix: checkPrefix(decode(own.at(-1)?.slice(OWN_PARAMETER.length + 1) ?? "")),
  };
}

const OWN_PARAMETER = "collectionPrefix";

/** @throws where collections cannot be named so */
export function checkPrefix(prefix: string): string {
  if (!/^[\w.-]{0,64}$/u.test(prefix) || prefix.startsWith("system.") || prefix.startsWith(".")) {
    throw new Error("a collection prefix has up to 64 letters, digits, dots, dashes and underscores");
  }
  return prefix;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new Error("a MongoDB URL holds a % that is not followed by two hexadecimal digits", {
      cause: error,
    });
  }
}
