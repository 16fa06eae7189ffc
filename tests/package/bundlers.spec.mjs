// What bundlers make of the package: each project is installed from the tarball, built as its user would build it, and
// asked for a picture in Chromium. TENSTEP_BUNDLERS, a list of names, picks some; without it, all but slow ones are tried.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { root } from "../../scripts/paths.mjs";
import { serve } from "../../scripts/serve.mjs";
import { launchChromium } from "../web/harness/browsers.mjs";
import { askForPicture } from "./harness/ask-for-picture.mjs";
import { createProject, LeftOut } from "./harness/project.mjs";
import { packTarball } from "./harness/tarball.mjs";

const VANILLA = "examples/vanilla";
const overVanilla = (bundler) => [VANILLA, `tests/package/bundlers/${bundler}`];

/** What each is made of, and the servers to look at: a folder of files, or the bundler's own. */
const PROJECTS = {
  vite: { folders: [VANILLA], dev: "vite/bin/vite.js", output: "dist" },
  "vite-7": { folders: overVanilla("vite-7"), dev: "vite/bin/vite.js", output: "dist" },
  webpack: { folders: overVanilla("webpack"), output: "dist" },
  esbuild: { folders: overVanilla("esbuild"), output: "dist" },
  rollup: { folders: overVanilla("rollup"), output: "dist" },
  parcel: { folders: overVanilla("parcel"), output: "dist" },
  react: { folders: ["examples/react"], output: "dist" },
  next: { folders: ["examples/next"], start: ["next/dist/bin/next", "start"] },
  "next-webpack": { folders: ["examples/next"], build: ["--webpack"], start: ["next/dist/bin/next", "start"], isSlow: true },
};
const MINUTES = 60_000;
const usual = Object.keys(PROJECTS).filter((name) => !PROJECTS[name].isSlow);
const asked = process.env.TENSTEP_BUNDLERS?.split(",") ?? usual;

describe("bundlers", { timeout: 60 * MINUTES }, () => {
  const leftOut = Object.keys(PROJECTS).filter((name) => !asked.includes(name)).map((name) => `${name}: not asked for`);
  const projects = asked.map((name) => {
    if (!(name in PROJECTS)) throw new Error(`"${name}" is none of ${Object.keys(PROJECTS).join(", ")}`);
    return { name, ...PROJECTS[name] };
  });
  let tarball, chromium;

  before(async () => {
    tarball = packTarball();
    chromium = await launchChromium({ webgpu: false });
    // npm waits for the network most of the time: it goes ahead while others build.
    let previous = Promise.resolve();
    for (const project of projects) {
      project.files = createProject(project.name, project.folders);
      const install = () => project.files.install(tarball.path);
      previous = previous.then(install, install);
      project.installed = previous;
      project.installed.catch(() => undefined);
    }
  });
  after(async () => {
    await Promise.allSettled(projects.map(({ installed }) => installed));
    for (const { files } of projects) files?.remove();
    await chromium?.close();
    tarball?.remove();
    console.log(`Bundlers left out: ${leftOut.join("; ") || "none"}`);
  });

  for (const project of projects) {
    const { name, build = [], dev, output, start } = project;

    async function ready(t) {
      try {
        await project.installed;
        return true;
      } catch (error) {
        if (!(error instanceof LeftOut)) throw error;
        leftOut.push(`${name}: ${error.message}`);
        t.skip(error.message);
        return false;
      }
    }

    it(`${name}: builds, and the page draws`, async (t) => {
      if (!(await ready(t))) return;
      const { files } = project;
      await files.run("build", ...build);
      if (start) files.addModel("public");
      const site = start ? await files.serve(...start) : await serveWithModel(join(files.folder, output));
      try {
        await askForPicture(chromium, site.url);
      } finally {
        await site.close();
      }
    });

    if (dev) {
      it(`${name}: the development server's page draws`, async (t) => {
        if (!(await ready(t))) return;
        project.files.addModel("public");
        const site = await project.files.serve(dev);
        try {
          await askForPicture(chromium, site.url);
        } finally {
          await site.close();
        }
      });
    }
  }
});

/** A folder of built files, with the default model beside it. */
function serveWithModel(folder) {
  return serve({
    folder,
    answerFirst: (request, response) => {
      if (!request.url.startsWith("/models/")) return false;
      response.end(readFileSync(join(root, "www", request.url)));
      return true;
    },
  });
}
