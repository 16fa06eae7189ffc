import tempfile
import tomllib
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import torch
from torch import nn

from training import settings
from training.dataset.icons import STYLE_WORDS
from training.evaluate import augment, networks, sampler
from training.evaluate.pictures import TONES, Pictures
from training.export import scheduler
from training.reward import LOSSES, Rewards, Sampled, as_seen, reward_network, style_views
from training.reward_networks import RewardNetwork
from training.reward_prompts import ANY_STYLE, DESCRIBING, NO_TONE, Asked, Prompts
from training.tokenizer import WordTokenizer

STYLES = sorted(STYLE_WORDS)
TONE_WORDS = {1: "light", 5: "dark"}
TONE = {*TONE_WORDS.values(), "skin", "tone"}
LABELS = ["apple", "hand", "kiwi"]
TAGS = {"apple": ["fruit", "red"], "hand": ["palm"], "kiwi": ["fruit"]}
OFTEN = {"fruit": 3, "palm": 0.2}  # others 1
CONFIG = {
    "common_share": 0.5, "untoned_share": 0.5, "called_share": 0.3, "described_share": 0.5, "joined_share": 0.2,
    "unpictured_share": 0.2, "common_unpictured_share": 0.5, "toned_share": 0.2,
}  # fmt: skip

APPLE_OR_TWO = torch.tensor([[True, False, False], [False, True, True]])  # what is meant of LABELS


def record(label: str, style: str, common: bool, held_out_by: str | None = None, tone: int | None = None) -> dict:
    words = f"{label}: {TONE_WORDS[tone]} skin tone" if tone else label
    return {
        "base": label, "base_label": label, "label": words, "style": style, "common": common, "tone": tone,
        "tags": TAGS[label],
        "held_out": held_out_by is not None, "held_out_by": held_out_by,
    }  # fmt: skip


def known() -> Pictures:
    """An apple, common, that has no noto-v1 drawing and whose noto one is held out; a hand, never dark; a kiwi without twemoji."""
    records = [record("apple", style, True, "pair" if style == "noto" else None) for style in STYLES if style != "noto-v1"]
    records += [record("hand", style, True, "pair" if style == "twemoji" else None) for style in STYLES]
    records += [record("hand", style, True, "pair" if style == "twemoji" else None, 1) for style in STYLES]
    records += [record("hand", style, True, "tone", 5) for style in STYLES]
    records += [record("kiwi", style, False) for style in STYLES if style != "twemoji"]
    return Pictures(np.zeros((len(records), 4, 4, 4), np.uint8), records, LABELS, STYLES)


class Drawn(unittest.TestCase):
    def setUp(self):
        words = [*LABELS, *{tag for tags in TAGS.values() for tag in tags}.union(DESCRIBING), *TONE, *STYLE_WORDS.values()]
        self.tokenizer = WordTokenizer(words, [], {}, 8)
        self.prompts = Prompts(known(), self.tokenizer, lambda words: min(OFTEN.get(word, 1) for word in words), CONFIG)
        self.asked = self.prompts.draw(6000, np.random.default_rng(0))
        self.words = [{words[id - 4] for id in ids if id >= 4} for ids in self.asked.input_ids.tolist()]
        self.concepts = [np.flatnonzero(row).tolist() for row in self.asked.concepts.numpy()]
        self.rows = list(zip(self.words, self.concepts, self.asked.style.tolist(), self.asked.tone.tolist(), strict=True))
        self.called = [row for row in self.rows if row[2] == ANY_STYLE]
        self.styled = [row for row in self.rows if row[2] != ANY_STYLE]

    def test_nothing_held_out_is_ever_asked_for(self):
        for words in self.words:
            self.assertFalse({"apple", "noto"} <= words or {"hand", "twemoji"} <= words or {"hand", "dark"} <= words, words)

    def test_each_names_its_style_and_its_concept(self):
        for words, concepts, style, _ in self.styled:
            self.assertEqual(words - TONE, {STYLE_WORDS[STYLES[style]], *(LABELS[c] for c in concepts)})

    def test_every_pair_without_a_drawing_is_asked_for(self):
        pairs = {(*concepts, style) for _, concepts, style, _ in self.styled}
        self.assertIn((0, STYLES.index("noto-v1")), pairs)
        self.assertIn((2, STYLES.index("twemoji")), pairs)
        self.assertGreater(np.mean([len(concepts) == 2 for _, concepts, *_ in self.styled]), 0.15)

    def test_a_share_is_asked_for_as_people_do_without_a_style(self):
        self.assertAlmostEqual(len(self.called) / len(self.rows), CONFIG["called_share"], delta=0.04)
        for words, *_ in self.called:
            self.assertFalse(words & {*STYLE_WORDS.values(), *TONE}, words)
        for words, concepts in (
            ({"kiwi"}, [2]),
            ({"fruit"}, [0, 2]),
            ({"apple"}, [0]),
            ({"fruit", "red"}, [0]),
            ({"fruit", "blue"}, [0, 2]),
            ({"kiwi", "blue"}, [2]),
        ):
            meant = [row[1] for row in self.called if row[0] == words]
            self.assertTrue(meant and all(row == concepts for row in meant), (words, meant))

    def test_a_whole_animal_that_is_not_known_well_is_its_face(self):
        labels = ["horse", "horse face"]
        records = [record("hand", "noto", "face" in label) | {"base": label, "base_label": label, "label": label} for label in labels]
        tokenizer = WordTokenizer(["horse", "face", "hand", "palm"], [], {}, 8)
        pictures = Pictures(np.zeros((2, 4, 4, 4), np.uint8), records, labels, STYLES)
        called = dict(Prompts(pictures, tokenizer, lambda words: 1, CONFIG).called)
        self.assertEqual((called[(4,)], called[(4, 5)]), ([0, 1], [1]))

    def test_frequent_words_are_asked_for_more(self):
        fruit, apple, palm = (sum(word in words for words, *_ in self.called) for word in ("fruit", "apple", "palm"))
        self.assertAlmostEqual(fruit / apple, 3, delta=0.8)
        self.assertGreater(apple, 3 * palm)

    def test_a_skin_tone_is_to_be_seen_where_a_gesture_is_all_that_is_named(self):
        for words, concepts, _, tone in self.rows:
            only_a_hand = words & {*LABELS, *DESCRIBING} == {"hand"} or words == {"palm"}
            self.assertEqual(tone, int("light" in words) if only_a_hand else NO_TONE, words)
        toned = {style for *_, style, tone in self.rows if tone > 0}
        self.assertEqual(toned, set(range(len(STYLES))) - {STYLES.index("twemoji")})

    def test_a_style_stays_however_long_the_name(self):
        ids, *_ = self.prompts._asked([4] * 20, [0, 0], 2, NO_TONE, np.random.default_rng(0))
        self.assertIn(self.tokenizer.ids[STYLE_WORDS[STYLES[2]]], ids)
        self.assertEqual(len(ids), 8)


class Samples(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        with open(settings.HERE / "config.toml", "rb") as file:
            self.preset = tomllib.load(file)["smoke"]
        self.tokenizer = WordTokenizer(["apple", "noto"], [], {}, 16)
        self.model = Sampled(self.preset, self.tokenizer.vocab_size, self.tokenizer.pad([]))
        self.noise = torch.randn(2, 4, 16, 16)
        self.prompts = ["apple, noto", "noto"]

    def draw(self) -> torch.Tensor:
        return self.model.draw(self.noise, torch.tensor([self.tokenizer(prompt) for prompt in self.prompts]))

    def test_they_are_what_ships(self):
        config = self.preset["reward"]
        manifest = {"scheduler": dict(scheduler(self.preset["unet"]).config)}
        shipped = networks.Networks(manifest, self.tokenizer, self.model.text_encoder, self.model.unet, None)
        sampling = sampler.Sampling(config["steps"], config["guidance_scale"])
        expected = sampler.sample_latents(shipped, self.prompts, self.noise, sampling)
        self.assertTrue(torch.allclose(self.draw(), expected, atol=1e-5))

    def test_rewards_reach_the_weights(self):
        self.draw().square().sum().backward()
        for part in (self.model.unet, self.model.text_encoder):
            self.assertTrue(any(p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters()))


class Trained(unittest.TestCase):
    def network_for(self, root: str, only: str | None, minutes: float | None) -> tuple[float | None, float]:
        """(minutes that it is trained for now, minutes that are said of it)"""
        config = {"patch": 4, "widths": [8], "blocks": [1], "errors": [], "seed": 1, "common_share": 0.5, "minutes": 7.0}
        preset = {"reward_style": config}
        options = SimpleNamespace(root=Path(root), only=only, minutes=minutes, threads=torch.get_num_threads())
        trainer = SimpleNamespace(options=options, device=torch.device("cpu"))
        trained = []

        def train(network: nn.Module, loss_of, config: dict, device: str, report) -> nn.Module:
            trained.append(config["minutes"])
            return network

        with mock.patch("training.reward.judges") as judges:
            judges.train = train
            reward_network("reward_style", preset, known(), None, trainer)
        return (trained or [None])[0], preset["reward_style"]["minutes"]

    def test_minutes_are_its_own_only_where_it_alone_is_trained(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(self.network_for(root, "reward_style", 0.5), (0.5, 0.5))
            self.assertEqual(self.network_for(root, None, 90.0), (None, 0.5))
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(self.network_for(root, None, 90.0), (7.0, 7.0))


class Seen(unittest.TestCase):
    def test_as_judges_see_it(self):
        decoded = torch.full((1, 4, 128, 128), 0.5)
        decoded[:, 3] = -0.5
        self.assertTrue(torch.allclose(as_seen(decoded), torch.full((1, 4, 64, 64), 0.25)))

    def rewards(self, **config) -> Rewards:
        torch.manual_seed(0)
        networks = {name: RewardNetwork(3, 5, TONES, 4, [8, 16], [1, 1]).eval() for name in LOSSES}
        preset = {name: {"mixed_share": 0.5} for name in LOSSES}
        preset["reward"] = {"style_weight": 1.0, "concept_weight": 1.0, "tone_weight": 1.0} | config
        return Rewards(networks, preset, torch.device("cpu"))

    def test_rewards_reach_the_pictures_until_the_networks_are_satisfied(self):
        asked = Asked(torch.zeros(2, 8), APPLE_OR_TWO, torch.tensor([0, 1]), torch.tensor([2, NO_TONE]))
        for satisfied, learns in ((0.0, True), (10.0, False)):
            decoded = nn.Parameter(0.1 * torch.randn(2, 4, 64, 64))
            self.rewards(satisfied=satisfied).loss(decoded, asked).backward()
            self.assertEqual(decoded.grad.abs().max().item() > 0, learns)

    def test_a_share_of_the_views_has_its_colours_exchanged(self):
        seen = torch.rand(16, 4, 64, 64)
        plain = augment.gentle_views(seen, torch.Generator().manual_seed(1))
        for share, exchanged in ((0.0, False), (1.0, True)):
            views = style_views(seen, torch.Generator().manual_seed(1), share)
            self.assertEqual(not torch.equal(views, plain), exchanged)
            self.assertTrue(torch.equal(views.sort(dim=1).values, plain.sort(dim=1).values))

    def test_every_network_has_its_say(self):
        rewards = self.rewards(satisfied=0.0)
        asked = Asked(torch.zeros(2, 8), APPLE_OR_TWO, torch.tensor([0, 1]), torch.tensor([2, NO_TONE]))
        rewards.loss(0.1 * torch.randn(2, 4, 64, 64), asked).backward()
        for name, network in rewards.networks.items():
            self.assertTrue(any(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters()), name)

    def test_a_skin_tone_counts_only_where_it_is_asked_for(self):
        decoded = 0.1 * torch.randn(2, 4, 64, 64)
        losses = [
            self.rewards(satisfied=0.0, style_weight=0.0, concept_weight=0.0)
            .loss(decoded, Asked(torch.zeros(2, 8), APPLE_OR_TWO, torch.zeros(2).long(), torch.tensor(tones)))
            .item()
            for tones in ([2, NO_TONE], [2, 3], [NO_TONE, NO_TONE])
        ]
        self.assertGreater(losses[1], losses[0])
        self.assertGreater(losses[0], losses[2])
        self.assertEqual(losses[2], 0)

    def test_either_of_two_concepts_is_right(self):
        left = self.rewards(satisfied=0.0).left
        scores = torch.tensor([[0.5, 0.3, 0.2]]).log()
        self.assertAlmostEqual(left(scores, torch.tensor([[True, True, False]])).item(), -np.log(0.8), places=5)
        self.assertAlmostEqual(left(scores, torch.tensor([[False, True, False]])).item(), -np.log(0.3), places=5)

    def test_without_a_style_any_one_is_right(self):
        rewards = self.rewards(satisfied=0.0, concept_weight=0.0)
        decoded = 0.1 * torch.randn(1, 4, 64, 64)

        def loss(style: int) -> float:
            asked = Asked(torch.zeros(1, 8), APPLE_OR_TWO[:1], torch.tensor([style]), torch.tensor([NO_TONE]))
            return rewards.loss(decoded, asked).item()

        of_any = loss(ANY_STYLE)
        self.assertGreater(of_any, 0)
        self.assertLessEqual(of_any, min(loss(style) for style in range(len(STYLES))) + 1e-6)


if __name__ == "__main__":
    unittest.main()
