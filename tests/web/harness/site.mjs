// dist/ as tests see it: any address can be given another answer, and every request is written down.

import { readFileSync } from "node:fs";
import { serve } from "../../../scripts/serve.mjs";

const PAGE = new URL("page.html", import.meta.url);

/** `{ url, requests, answer(path, handler), reset(), close() }`; a handler is `(request, response) => void`. */
export async function openSite(folder, port = 0) {
  const answers = new Map();
  const requests = [];
  const { url, close } = await serve({
    port,
    ...(folder && { folder }),
    answerFirst: (request, response) => {
      const { pathname } = new URL(request.url, "http://localhost");
      requests.push(pathname);
      const handler = answers.get(pathname);
      if (handler) handler(request, response);
      return handler !== undefined;
    },
  });
  const site = {
    url,
    requests,
    answer: (path, handler) => answers.set(path, handler),
    answerBytes: (path, bytes, type = "application/octet-stream") =>
      answers.set(path, (_, response) => response.writeHead(200, { "content-type": type, "content-length": bytes.length, "cache-control": "no-store" }).end(bytes)),
    answerStatus: (path, status) => answers.set(path, (_, response) => response.writeHead(status).end()),
    reset: () => {
      answers.clear();
      requests.length = 0;
      site.answerBytes("/test.html", readFileSync(PAGE), "text/html");
    },
    close,
  };
  site.reset();
  return site;
}
