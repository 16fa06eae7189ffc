// The CPU's second thread, as it sees itself: it takes the UNet's shards, then halves to evaluate, one after the other.

import { isPairing, type PairingEngine } from "./engine.js";
import { importEngine } from "./engine-module.js";
import { wireFromError } from "./errors.js";
import type { FromPartner, PartnerSeed, ToPartner } from "./protocol.js";
import { Serial } from "./serial.js";

/** Makes this worker the partner of the one at the port's other end. */
export function servePartner({ module, manifest, port }: PartnerSeed): void {
  const serial = new Serial();
  const send = (message: FromPartner, transfer: ArrayBufferLike[] = []) => port.postMessage(message, transfer as ArrayBuffer[]);
  const fail = (id: number, error: unknown) => send({ type: "failed", id, error: wireFromError(error) });
  let begun: { engine: PairingEngine; model: number } | null = null;

  const begin = async () => {
    const { Engine } = await importEngine("cpu", undefined, module);
    const engine = await Engine.create("f32");
    if (!isPairing(engine)) throw new Error("this engine makes no pairs");
    begun = { engine, model: engine.begin(manifest).model };
  };
  const handle = async (message: Exclude<ToPartner, { type: "stop" }>) => {
    if (!begun) return; // It has said so.
    const { engine, model } = begun;
    switch (message.type) {
      case "shard":
        return engine.pushShard(model, message.shard, message.bytes, message.sha256);
      case "finish":
        await engine.finishUnet(model);
        return send({ type: "ready" });
      case "evaluate": {
        const { sample, timesteps, step, encoderHiddenStates, width, height } = message;
        const modelOutput = await engine.evaluate(model, sample, timesteps, step, encoderHiddenStates, width, height);
        send({ type: "evaluated", id: message.id, modelOutput }, [modelOutput.buffer]);
      }
    }
  };

  port.onmessage = ({ data: message }: MessageEvent<ToPartner>) => {
    if (message.type === "stop") return begun?.engine.drop(begun.model);
    void serial.run(() => handle(message)).catch((error: unknown) => fail(message.type === "evaluate" ? message.id : 0, error));
  };
  serial.run(begin).catch((error: unknown) => fail(0, error));
}
