"""Search by meaning over a few dozen sentences, MiniLM's linear layers on the accelerator.

    python examples/semantic_search.py "Who plays music?" "something about money"
    python examples/semantic_search.py --backend rtl "Who plays music?"
    python examples/semantic_search.py --packed minilm.mxv "Who plays music?"

Prints the three nearest of the built-in sentences for every query, as the accelerator and as the dense model
find them. Without FILE.mxv, which `mixvec embed --save` writes, it is the packed model that comes along.
"""

import argparse
import sys
from pathlib import Path

from codesign.commands.whole import Place, attached
from codesign.whole import load_model
from codesign.whole.sentence_encoder import PACKED_MINILM, load_sentence_encoder
from sw.calibration import SENTENCES

NEAREST = 3


def main() -> int:
    """Print what is found for every query."""
    parser = argparse.ArgumentParser(description="semantic search on the accelerator")
    parser.add_argument("--packed", type=Path, metavar="FILE.mxv", default=PACKED_MINILM)
    parser.add_argument("queries", nargs="+", metavar="QUERY")
    parser.add_argument("--backend", default="estimate")
    arguments = parser.parse_args()
    encoder = load_sentence_encoder("minilm")
    batches = encoder.batches([*SENTENCES, *arguments.queries])
    dense = encoder.embed(batches)
    columns = max(batch["input_ids"].numel() for batch in batches)
    packed = load_model(arguments.packed)
    with attached(encoder.model, packed, Place(arguments.backend), columns, len(batches)) as attachment:
        found = encoder.embed(batches)
        cycles = attachment.report()["total"]["cycles"]
    count = len(SENTENCES)
    for place, query in enumerate(arguments.queries, start=count):
        print(query)
        for name, embeddings in (("accelerator", found), ("dense model", dense)):
            similarity = embeddings[:count] @ embeddings[place]
            for best in similarity.topk(NEAREST).indices.tolist():
                print(f"  {name}  {similarity[best]:.2f}  {SENTENCES[best]}")
    print(f"{cycles or 'no'} cycles counted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
