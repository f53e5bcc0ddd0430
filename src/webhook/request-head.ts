// The head of a request as text. Refuses names and values that HTTP does not allow: an event's id is a producer's
// input, and a line break in it would begin a header of its own.
// Invariant: every name and value that goes out was checked. Most are those of the request before (7 of 9), and what
// was found good is not looked at again.

const BAD_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export class RequestHead {
  readonly #start: string;
  /** By place: the last that were found good. */
  readonly #good: string[] = [];

  constructor(url: URL) {
    this.#start = `POST ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\nconnection: keep-alive\r\n`;
  }

  /** ISO 8859-1, with its empty line; null when a header is not allowed. `headers`: names and values in turn. */
  of(headers: readonly string[], bodyBytes: number): string | null {
    const good = this.#good;
    let head = this.#start;
    for (let at = 0; at + 1 < headers.length; at += 2) {
      const name = headers[at] ?? '';
      const value = headers[at + 1] ?? '';
      if (name !== good[at]) {
        if (!NAME.test(name)) return null;
        good[at] = name;
      }
      if (value !== good[at + 1]) {
        if (BAD_VALUE.test(value)) return null;
        good[at + 1] = value;
      }
      head += `${name}: ${value}\r\n`;
    }
    return `${head}content-length: ${bodyBytes}\r\n\r\n`;
  }
}
