// The worker that models live in: one for all that were loaded beside each other, and another once it has ended.

import { errorFromWire, TenstepError } from "./errors.js";
import { startWorker, type WorkerPort } from "./platform.js";
import type { Notice, PartnerSeed, Request, Response, Without } from "./protocol.js";
import { WorkerLink, type WorkerNews } from "./worker-link.js";

export class ModelHost {
  #workerUrl: string | undefined;
  #port: WorkerPort | null = null;
  /** Second threads, by the model that each is for. */
  #partners = new Map<number, WorkerPort>();
  #links = new Set<WorkerLink>();
  #hasSpoken = false;
  #nextId = 1;
  #nextModel = 1;

  constructor(workerUrl: string | undefined) {
    this.#workerUrl = workerUrl;
  }

  /** Makes room for a model, in a new worker where there is none. */
  open(news: WorkerNews): WorkerLink {
    this.#port ??= this.#start();
    const link = new WorkerLink(this, this.#nextModel++, news);
    this.#links.add(link);
    return link;
  }

  /** Gives the number of the request. */
  post(message: Without<"id", Request>): number {
    const id = this.#nextId++;
    this.#port?.postMessage({ ...message, id });
    return id;
  }

  /** Frees a model in the worker; the last one ends it. */
  leave(link: WorkerLink, model: number): void {
    if (!this.#links.delete(link)) return;
    if (this.#links.size === 0) this.#stop();
    else this.post({ type: "unload", model });
  }

  #start(): WorkerPort {
    this.#hasSpoken = false;
    const port = started(this.#workerUrl);
    port.onmessage = (event: MessageEvent<Response>) => this.#receive(event.data);
    port.onmessageerror = () => this.#end(crashed("a message of the worker could not be read"));
    // An exception that no promise carries: the script did not load, or wasm trapped in a callback.
    port.onerror = (event) => {
      event.preventDefault();
      this.#end(
        this.#hasSpoken
          ? crashed(event.message)
          : new TenstepError("engine-unavailable", `the worker could not be started: ${event.message ?? "its script did not load"}`),
      );
    };
    return port;
  }

  #receive(response: Response): void {
    this.#hasSpoken = true;
    if (response.type === "partner-wanted") return this.#startPartner(response.model, response.seed);
    if (response.type === "partner-done") return this.#endPartner(response.model);
    if (response.type === "failed" && response.fatal) return this.#end(errorFromWire(response.error), response.id);
    for (const link of this.#links) link.receive(response);
  }

  #startPartner(model: number, seed: PartnerSeed): void {
    const lost = () => {
      this.#endPartner(model);
      this.#port?.postMessage({ type: "partner-lost", model } satisfies Notice);
    };
    try {
      const partner = startWorker(this.#workerUrl);
      this.#partners.set(model, partner);
      // What it has to say goes through its port; here it says only that something is amiss.
      partner.onmessage = partner.onmessageerror = lost;
      partner.onerror = (event) => {
        event.preventDefault();
        lost();
      };
      partner.postMessage({ type: "partner", seed } satisfies Notice, { transfer: [seed.port] });
    } catch {
      lost();
    }
  }

  #endPartner(model: number): void {
    this.#partners.get(model)?.terminate();
    this.#partners.delete(model);
  }

  #end(reason: Error, culprit?: number): void {
    const links = [...this.#links];
    this.#links.clear();
    this.#stop();
    for (const link of links) link.close(reason, culprit);
  }

  #stop(): void {
    const port = this.#port;
    this.#port = null;
    if (port) port.onmessage = port.onmessageerror = port.onerror = null;
    port?.terminate();
    for (const model of this.#partners.keys()) this.#endPartner(model);
  }
}

function started(workerUrl: string | undefined): WorkerPort {
  try {
    return startWorker(workerUrl);
  } catch (cause) {
    throw new TenstepError("engine-unavailable", `the worker could not be started: ${String(cause)}`, { cause });
  }
}

function crashed(message: string | undefined): TenstepError {
  return new TenstepError("engine-crashed", `the engine stopped: ${message ?? "unknown reason"}`);
}
