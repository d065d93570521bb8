/** Where a database server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The server that a database URL names; undefined where it names none, as with files. */
export function addressOf(url: string): Address | undefined {
  const match = /^[a-z][a-z0-9+.-]*:\/\/(?:[^@/?#]*@)?(\[[^\]]+\]|[^:/?#,%]+):(\d{1,5})(?:[/?#]|$)/i.exec(
    url,
  );
  const [, host, port] = match ?? [];
  return host === undefined ? undefined : { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

/** The same URL with another server in it. @throws TypeError for a URL that names none */
export function withAddress(url: string, { host, port }: Address): string {
  const present = addressOf(url);
  if (present === undefined) throw new TypeError("the URL names no host and port");
  const shown = present.host.includes(":") ? `[${present.host}]` : present.host;
  const authority = `${shown}:${present.port}`;
  const at = url.indexOf(authority, url.indexOf("@") + 1);
  return `${url.slice(0, at)}${host}:${port}${url.slice(at + authority.length)}`;
}
