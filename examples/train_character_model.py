"""Train the character model that the experiments prune: GPT-2 classes, nanoGPT's sizes.

    python examples/train_character_model.py TEXT -o FOLDER --seed 0

TEXT is split 90 to 10, as nanoGPT does; the model is trained on the first part. FOLDER is a Hugging Face
folder (config, weights in half precision, tokenizer) that `mixvec evaluate FOLDER --train TEXT` takes.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from codesign.console import note, progress
from sw.language_task import LanguageTask
from sw.recovery import Recovery
from sw.recovery_options import RecoveryOptions
from sw.scores import Score
from sw.targets import find_targets
from sw.text import split_text


def character_tokenizer(text: str) -> Any:
    """Return a tokenizer with one token for every character of ``text``."""
    vocabulary = {character: index for index, character in enumerate(sorted(set(text)))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=min(vocabulary)))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=tokenizer)


def main() -> int:
    """Train, save, print the held-out perplexity."""
    parser = argparse.ArgumentParser(description="Train a character model.")
    parser.add_argument("text", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--block", type=int, default=64)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--size", type=int, default=12)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--activation", default="gelu_pytorch_tanh", help="Of the feed-forward layers.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()

    text = arguments.text.read_text()
    tokenizer = character_tokenizer(text)
    train, test = split_text(text, tokenizer)
    task = LanguageTask(train, test, block=arguments.block)
    torch.manual_seed(arguments.seed)
    model: Any = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=arguments.block,
            n_embd=arguments.width,
            n_layer=arguments.layers,
            n_head=arguments.heads,
            activation_function=arguments.activation,
            resid_pdrop=arguments.dropout,
            embd_pdrop=arguments.dropout,
            attn_pdrop=arguments.dropout,
            bos_token_id=None,
            eos_token_id=None,
        )
    )
    options = RecoveryOptions(
        steps=arguments.steps,
        size=arguments.size,
        learning_rate=arguments.learning_rate,
        warm_up=100,
        score=Score.MAGNITUDE,
        distillation=0.0,
        weight_decay=0.1,
        seed=arguments.seed,
    )
    arguments.output.mkdir(parents=True, exist_ok=True)
    with progress("training", options.steps, "steps") as advance:
        Recovery(model, find_targets(model), task, None, 0, options, device=arguments.device).run(
            checkpoint=arguments.output / "checkpoint.pt", progress=advance
        )
    halved: Any = model.to(torch.float16)
    figures = task.measure(halved.to(torch.float32))
    note(f"held out: loss {figures['loss']:.4f}, perplexity {figures['perplexity']:.4f}")
    halved.to(torch.float16).save_pretrained(arguments.output)
    tokenizer.save_pretrained(arguments.output)
    print(f"{figures['perplexity']:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
