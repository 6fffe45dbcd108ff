"""Writes test/fixtures/quality/trec.json: what trec_eval says of random rankings.

    pip install pytrec-eval-terrier
    python3 test/quality/tools/trec.py

Rankings have ties, queries that nothing is relevant for, grades below zero and judged documents that
are not found. Scores are halves, so that trec_eval's float32 holds them.
"""
import json
import pathlib
import random

import pytrec_eval

MEASURES = {f"{name}.1,5,10" for name in ("P", "recall", "success", "map_cut", "ndcg_cut")} | {"recip_rank"}
dice = random.Random(11)
runs = []
for _ in range(40):
    documents = [f"d{dice.randrange(1000)}" for _ in range(dice.choice([1, 3, 12, 40]))]
    scores = {document: dice.randrange(20) / 2 for document in documents}
    judged = dice.sample(sorted(scores), min(len(scores), 6)) + [f"m{i}" for i in range(dice.randrange(4))]
    grades = {document: dice.choice([-1, 0, 0, 1, 1, 2, 3]) for document in judged}
    if dice.random() < 0.15:
        grades = {document: 0 for document in grades}
    evaluator = pytrec_eval.RelevanceEvaluator({"q": grades}, MEASURES)
    runs.append({"scores": scores, "grades": grades, "expected": evaluator.evaluate({"q": scores})["q"]})
path = pathlib.Path(__file__).parents[2] / "fixtures/quality/trec.json"
path.write_text(json.dumps({"tool": f"pytrec-eval-terrier, seed 11", "runs": runs}) + "\n")
