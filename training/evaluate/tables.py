"""The model card's tables, in Markdown, from results.json."""


def percent(share: dict) -> str:
    """A share with its 95 % interval."""
    return f"{100 * share['value']:.1f} % ({100 * share['low']:.1f} to {100 * share['high']:.1f}, n = {share['n']:,})"


def short(share: dict) -> str:
    return f"{100 * share['value']:.1f} %"


def interval(found: dict) -> str:
    return f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f}, n = {found['n']:,})"


def points(change: dict) -> str:
    return f"{100 * change['value']:+.1f} ({100 * change['low']:+.1f} to {100 * change['high']:+.1f})"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def megabytes(count: int) -> str:
    return f"{count / 1e6:.2f} MB"


class Tables:
    """Each method is a table of the card; one whose measure was not made says so."""

    def __init__(self, results: dict, manifest: dict, benchmark: dict | None):
        self.results, self.manifest, self.benchmark = results, manifest, benchmark
        self.training = manifest["provenance"]["training"]

    def get(self, name: str):
        return self.results[name]["result"]

    def names(self) -> list[str]:
        return [name for name in vars(type(self)) if getattr(getattr(type(self), name), "is_table", False)]

    def write(self, name: str) -> str:
        try:
            return getattr(self, name)()
        except KeyError as missing:
            return f"Not measured: {missing.args[0]}."


def is_table(method):
    method.is_table = True
    return method


class Card(Tables):
    @is_table
    def model(self) -> str:
        costs, training = self.get("costs"), self.training
        parameters = ", ".join(f"{name} {count:,}" for name, count in costs["parameters_by_component"].items())
        rows = [
            ["revision", f"`{self.manifest['revision']}`"],
            ["parameters", f"{costs['parameters']:,} ({parameters})"],
            ["to ship", f"{megabytes(costs['bytes'])}: weights, words and manifest"],
            ["one guided evaluation", f"{costs['gflop_evaluation']} GFLOP ({costs['counted_by']})"],
            ["one decode", f"{costs['gflop_decode']} GFLOP"],
            ["defaults", "{steps} steps of {solver}, guidance {guidanceScale}".format(**self.manifest["defaults"])],
            ["trained on", f"{training['hardware']}; {training['minutes']} min, {training['images_seen']:,} pictures"],
            ["preset and seed", f"`{training['preset']}`, {training['seed']}"],
            ["started from", f"model `{training['initial']}`" if training.get("initial") else "random weights"],
            *(["then, by rewards", run] for run in self.runs(training.get("reward"), "samples")),
            *(["then, short prompts", run] for run in self.runs(training.get("short_prompts"), "prompts")),
            ["commit", f"`{training['git_commit']}`"],
            ["data", f"{training['data']['images']:,} pictures, sha256 `{training['data']['images_sha256'][:16]}`"],
        ]
        return table(["", ""], rows)

    @staticmethod
    def runs(run: dict | None, seen: str) -> list[str]:
        """One line a run, the first one first."""
        if run is None:
            return []
        start = f", from model `{run['initial']}`" if run["initial"] else ""
        when = f"{run['hardware']}; {run['minutes']} min, {run['images_seen']:,} {seen}{start}"
        line = f"{when}; preset `{run['preset']}`, seed {run['seed']}, commit `{run['git_commit']}`"
        return [*Card.runs(run.get("before"), seen), line]

    @is_table
    def started_from(self) -> str:
        """Whether "held out" holds for the weights that training began with, and for what taught them since."""
        started = self.at_first()
        if "reward" not in self.training:
            return started
        started += (
            " They were then fine-tuned by what other networks see in samples. Those networks are not the judges, they "
            "saw pictures of training alone, and no prompt of that stage was a held-out pair."
        )
        if "short_prompts" not in self.training:
            return started
        return f"{started} At last the text encoder was taught by what the model itself makes of longer prompts, none of a held-out pair."

    def at_first(self) -> str:
        initial = self.training.get("initial")
        pixels = self.training.get("autoencoder", {}).get("autoencoder", {}).get("initial")
        if not initial:
            if not pixels:
                return "All networks started from random weights: none has ever seen a held-out picture or its caption."
            return (
                "The UNet and the text encoder started from random weights: neither has ever seen a held-out picture or its "
                f"caption. The autoencoder started from that of model `{pixels}`, which had held out another list: so it has seen "
                "held-out pictures, as pixels without a caption, and its PSNR on them is a little too good."
            )
        return (
            f"Training did not start from random weights but from model `{initial}`, which had held out another list of pairs "
            "and had been trained on the pairs that are held out here. **So the figures of held-out pairs are too good by an "
            "unknown amount**; this run itself never saw them. The held-out skin tones are not concerned: that model had "
            "seen no skin tone at all."
        )

    @is_table
    def asked(self) -> str:
        """What was asked of the model, and what it does."""
        grid, real, words = self.get("grid"), self.get("real_pictures"), self.get("synonyms")
        tones, sheet = self.get("tones"), self.get("newcomers")
        seen = " (seen by the initial model)" if self.training.get("initial") else ""
        on_real = real["judge"]["top1"]["value"]
        ratio = f"{grid['held_out_pairs']['top1']['value'] / on_real:.2f}" if on_real else "the judge knows no picture"
        rows = [
            ["PSNR of held-out pictures, in dB", "27", "30", f"{self.get('reconstruction')['held_out']['psnr']:.1f}"],
            ["top-1, 200 common concepts in five styles", "40 %", "75 %", percent(grid["all"]["top1"])],
            ["top-5", "65 %", "90 %", percent(grid["all"]["top5"])],
            [f"held-out pairs{seen}: top-1 of samples over that of real pictures", "0.7", "0.7", ratio],
            ["synonyms, top-5", "60 %", "60 %", percent(words["top5"])],
            [f"style of held-out pairs{seen}", "70 %", "70 %", percent(grid["held_out_pairs"]["style"])],
            ["skin tone of held-out gestures", "70 %", "70 %", percent(tones["tone"])],
            ["newcomers' prompts recognised", "56", "56", f"{sheet['recognised']} of {sheet['of']}"],
        ]
        if "storage" in self.results:
            storage = self.get("storage")
            one, other = storage["shipped"], storage["f32"]
            growth = one["frechet"]["judge"]["value"] / other["frechet"]["judge"]["value"] - 1
            rows += [
                ["top-1 lost to storage, in points", "1", "1", points(one["top1_change"])],
                ["Frechet distance gained by storage", "10 %", "10 %", f"{100 * growth:+.1f} %"],
            ]
        return table(["", "asked of a CPU", "asked of a GPU", "measured"], rows)

    @is_table
    def judges(self) -> str:
        real = self.get("real_pictures")
        rows = [
            ["concept, top-1", percent(real["judge"]["top1"]), percent(real["second"]["top1"])],
            ["concept, top-5", percent(real["judge"]["top5"]), percent(real["second"]["top5"])],
            ["style", percent(real["judge"]["style"]), ""],
            ["skin tone", percent(real["judge"]["tone"]), ""],
        ]
        return table(["on real pictures that nothing was trained on", "judge", "second network"], rows)

    @is_table
    def fidelity(self) -> str:
        grid = self.get("grid")
        kinds = {
            "all": grid["all"],
            "of these, trained on in this style": grid["trained_pairs"],
            "of these, held out in this style": grid["held_out_pairs"],
            **{f"in style {style}": found for style, found in grid["by_style"].items()},
            "all, named among the 200 alone": grid["among_the_common"],
            "all, by the second network": grid["second"],
        }
        rows = [[name, percent(found["top1"]), percent(found["top5"])] for name, found in kinds.items()]
        rows.append(["the style asked for, any concept", percent(grid["style"]), ""])
        return table(["samples of the common concepts", "top-1", "top-5"], rows)

    @is_table
    def never_drawn(self) -> str:
        never = self.get("grid")["never_drawn"]
        return f"Never among the judge's five best guesses ({len(never)} of 200): {', '.join(never) or 'none'}."

    @is_table
    def attributes(self) -> str:
        grid, tones, real = self.get("grid"), self.get("tones"), self.get("real_pictures")["judge"]
        rows = [
            ["style, of held-out pairs", percent(grid["held_out_pairs"]["style"]), percent(real["style"]), "20 %"],
            ["skin tone, of held-out gestures", percent(tones["tone"]), percent(real["tone"]), "17 %"],
            ["skin tone, at most one shade off", percent(tones["tone_within_one"]), "", ""],
            ["the gesture itself, top-5", percent(tones["top5"]), "", ""],
        ]
        return table(["attribute", "samples", "the judge on real pictures", "chance"], rows)

    @is_table
    def synonyms(self) -> str:
        words = self.get("synonyms")
        by_share: dict[float, list[str]] = {}
        for word, share in words["by_word"].items():
            by_share.setdefault(share, []).append(word)
        rows = [[f"{100 * share:.0f} %", ", ".join(found)] for share, found in sorted(by_share.items(), reverse=True)]
        head = (
            f"Top-5 {percent(words['top5'])}, top-1 {percent(words['top1'])}. The same pictures asked for another word's "
            f"meaning: {percent(words['chance_top5'])}."
        )
        return head + "\n\n" + table(["meant concept in the top-5", "words"], rows)

    @is_table
    def newcomers(self) -> str:
        sheet = self.get("newcomers")
        rows = [[prompt, guess] for prompt, guess in sheet["failures"].items()]
        return f"{sheet['recognised']} of {sheet['of']} recognised.\n\n" + table(["not recognised", "seen as"], rows)

    @is_table
    def frechet(self) -> str:
        converged, config = self.get("converged"), self.results["config"]
        few, many = converged["ten"]["frechet"], converged["many"]["frechet"]
        named = [
            ("10 evaluations", self.get("frechet")),
            ("10 evaluations, the first samples alone", few),
            (f"{converged['steps']} evaluations of the same", many),
            ("the autoencoder's reconstructions", self.get("frechet_reconstructed")),
        ]
        rows = [[name, interval(found["judge"]), interval(found["second"])] for name, found in named]
        away, check = converged["median_rms"], converged["median_rms_of_ddim"]
        tail = (
            f"Median RMS distance, in latents, of 10 evaluations from {converged['steps']} of the same noise: {away:.3f} "
            f"(n = {converged['n']}); of {check['steps']} of DDIM from those {converged['steps']}: {check['value']:.3f} "
            f"(n = {check['n']}). Intervals are 95 % of {config['resamples']} bootstrap resamples."
        )
        return table(["Frechet distance to the real pictures", "judge", "second network"], rows) + "\n\n" + tail

    @is_table
    def diversity(self) -> str:
        found = self.get("diversity")
        kinds = {
            "one concept, five styles": ("styles_of_a_concept", "styles_of_a_concept_real"),
            "one prompt, several seeds": ("seeds_of_a_prompt", None),
            "all": ("all", "all_real"),
        }
        rows = []
        for name, (samples, real) in kinds.items():
            cells = [name]
            for network in ("judge", "second"):
                cells += [str(found[network][samples]), str(found[network][real]) if real else ""]
            rows.append(cells)
        header = ["mean pairwise distance", "samples, judge", "real", "samples, second network", "real"]
        return table(header, rows)

    @is_table
    def memorisation(self) -> str:
        found = self.get("memorisation")
        rows = [
            ["nearest training picture is of the concept asked for", short({"value": found["nearest_is_same_concept"]})],
            [
                "nearest is the very drawing asked for (prompts that were trained on)",
                short({"value": found["nearest_is_the_drawing_asked_for"]}),
            ],
            [
                "nearer to a training picture than half of all new drawings are",
                short({"value": found["nearer_than_half_of_new_drawings"]}),
            ],
            ["near-copies by pixels", short({"value": found["near_copies_by_pixels"]})],
            ["near-copies by pixels among real held-out drawings", short({"value": found["near_copies_among_new_drawings"]})],
            [
                "median RMS to the nearest training picture; of real held-out drawings",
                f"{found['median_pixel_rms']}; {found['median_pixel_rms_of_new_drawings']}",
            ],
        ]
        return table([f"of {found['n']:,} samples", ""], rows)

    @is_table
    def guidance(self) -> str:
        return self._sweep("guidance")

    @is_table
    def steps(self) -> str:
        return self._sweep("steps")

    def _sweep(self, name: str) -> str:
        rows = [
            [
                f"{row[name]:g}",
                percent(row["top1"]),
                short(row["top5"]),
                interval(row["frechet"]["judge"]),
                f"{row['frechet']['second']['value']:.2f}",
            ]
            for row in self.get(name)
        ]
        header = [name, "top-1", "top-5", "Frechet, judge", "Frechet, second network"]
        return table(header, rows)

    @is_table
    def storage(self) -> str:
        found = self.get("storage")
        rows = [
            [
                name,
                megabytes(own["weight_bytes"]) if "weight_bytes" in own else "",
                percent(own["top1"]),
                points(own["top1_change"]) if name != "f32" else "",
                interval(own["frechet"]["judge"]),
                f"{own['frechet']['second']['value']:.2f}",
                f"{own['median_rms']:.4f}",
            ]
            for name, own in found.items()
        ]
        header = ["stored as", "weights", "top-1", "points from f32", "Frechet, judge", "second", "median RMS from f32"]
        return table(header, rows)

    @is_table
    def damage(self) -> str:
        found = self.get("damage")
        rows = [[f"`{row['tensor']}`", f"{row['int8']:.1e}", f"{row['f16']:.1e}"] for row in found["worst"]]
        head = (
            f"{found['kept_f16']} of {found['tensors']} large tensors ship as f16 for {megabytes(found['extra_bytes'])} more. "
            f"Relative error that storage as int8 adds to one evaluation or decode, all tensors together: "
            f"{_errors(found['error_int8'])}; with those f16: {_errors(found['error_kept'])}."
        )
        return head + "\n\n" + table(["the worst tensors, each alone", "int8", "f16"], rows)

    @is_table
    def fashion(self) -> str:
        if self.benchmark is None:
            return "Not measured."
        found = self.benchmark
        rows = [
            ["network", f"{found['parameters']:,} parameters, {found['mflop_evaluation']:.1f} MFLOP an evaluation"],
            ["training", f"{found['images_seen']:,} pictures in {found['minutes']} min, seed {found['seed']}"],
            ["classifier, on the 10,000 test pictures", percent(found["classifier"])],
            ["class accuracy of samples", percent(found["class_accuracy"])],
            ["Frechet distance to the training pictures", interval(found["frechet"])],
            ["of the test pictures", interval(found["frechet_test"])],
        ]
        sampling = "{steps} evaluations of DPM-Solver++ 2M, guidance {guidance_scale}".format(**found)
        return table([f"Fashion-MNIST, {sampling}", ""], rows)


def _errors(found: dict) -> str:
    return ", ".join(f"{name} {100 * error:.2f} %" for name, error in found.items())
