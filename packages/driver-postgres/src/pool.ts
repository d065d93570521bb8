/** A statement in the form that `pg` takes. */
export interface PostgresQuery {
  readonly text: string;
  readonly values?: (Buffer | string)[];
  readonly name?: string;
  readonly rowMode?: "array";
  readonly types?: { getTypeParser(oid: number, format?: string): (value: string) => unknown };
}

/** What the driver needs of a connection; `pg.PoolClient` has it. */
export interface PostgresClient {
  /** Of the session at the server, as the server has told it; a pooler tells a number of its own. */
  readonly processID?: number | null;
  query(query: PostgresQuery): Promise<{ readonly rows: unknown[] }>;
  /** @param destroy ends the connection instead of giving it back */
  release(destroy?: boolean): void;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
  on(
    event: "notification",
    listener: (message: { channel: string; payload?: string | undefined }) => void,
  ): unknown;
}

/** What the driver needs of a pool; `pg.Pool` has it. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>;
  readonly options?: { readonly max?: number };
}
