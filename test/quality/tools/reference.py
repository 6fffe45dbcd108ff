"""An independent implementation, in NumPy, of what lib/quality measures.

    python3 reference.py > ../../fixtures/quality/reference.json

prints inputs with expected results. The tests compare with the recorded file, and where python3 and
NumPy are installed they run this again and compare that too. Definitions are those of trec_eval
(measures of rankings), SciPy (rank correlation) and scikit-learn (silhouette), written down here anew.
"""
import json
import math

import numpy as np

random = np.random.Generator(np.random.PCG64(20261121))


def dcg(gains):
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def ranking_case():
    documents = [f"d{i}" for i in range(int(random.integers(5, 150)))]
    ranking = [documents[i] for i in random.permutation(len(documents))][: int(random.integers(1, 120))]
    judged = random.choice(len(documents), size=int(random.integers(1, len(documents) + 1)), replace=False)
    grades = {documents[i]: int(random.integers(-1, 4)) for i in judged}
    grades[documents[int(judged[0])]] = int(random.integers(1, 4))  # something is relevant
    relevant = {d for d, g in grades.items() if g > 0}
    gains = [max(0, grades.get(d, 0)) for d in ranking]
    ideal = sorted((g for g in grades.values() if g > 0), reverse=True)
    expected = {f"recall@{k}": len(relevant & set(ranking[:k])) / len(relevant) for k in (1, 10, 100)}
    expected["ndcg@10"] = dcg(gains[:10]) / dcg(ideal[:10])
    hits = [rank for rank, d in enumerate(ranking[:10], start=1) if d in relevant]
    expected["mrr@10"] = 1 / hits[0] if hits else 0
    return {"ranking": ranking, "grades": grades, "expected": expected}


def average_ranks(x):
    x = np.asarray(x, dtype=float)
    order = np.argsort(x, kind="stable")
    ranks = np.empty(len(x))
    i = 0
    while i < len(x):
        j = i
        while j + 1 < len(x) and x[order[j + 1]] == x[order[i]]:
            j += 1
        ranks[order[i : j + 1]] = (i + j) / 2 + 1
        i = j + 1
    return ranks


def correlation_case(ties):
    n = int(random.integers(5, 60))
    x = random.normal(size=n)
    y = 0.5 * x + random.normal(size=n)
    if ties:
        x, y = np.round(x), np.round(y)
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "pearson": float(np.corrcoef(x, y)[0, 1]),
        "spearman": float(np.corrcoef(average_ranks(x), average_ranks(y))[0, 1]),
        "quantiles": np.quantile(x, [0, 0.01, 0.05, 0.25, 0.5, 0.9, 1]).tolist(),
    }


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def set_case():
    n, d = 600, 24
    scales = 1 / (1 + np.arange(d) / 3)
    rows = unit(random.normal(size=(n, d)) * scales + 0.3).astype(np.float32).astype(float)
    rows = np.round(rows, 6)
    u = unit(rows)
    cosines = u @ u.T
    upper = cosines[np.triu_indices(n, 1)]
    centred = u - u.mean(axis=0)
    values = np.linalg.eigvalsh(centred.T @ centred / n)[::-1]
    return {
        "rows": rows.tolist(),
        "anisotropy": float(upper.mean()),
        "effectiveDimension": float(values.sum() ** 2 / (values**2).sum()),
        "variance": (values / values.sum())[:10].tolist(),
        "median": float(np.median(upper)),
        "p05": float(np.quantile(upper, 0.05)),
        "near": int((upper >= 0.95).sum()),
    }


def silhouette_case():
    centres = random.normal(size=(4, 6)) * 2
    labels = random.integers(0, 4, size=40)
    rows = np.round(centres[labels] + random.normal(size=(40, 6)), 6)
    u = unit(rows)
    cosines = u @ u.T
    distances = 1 - cosines
    silhouettes, coherences = [], []
    for i in range(40):
        own = (labels == labels[i]) & (np.arange(40) != i)
        if not own.any():
            silhouettes.append(0.0)
            coherences.append(1.0)
            continue
        a = distances[i, own].mean()
        b = min(distances[i, labels == c].mean() for c in set(labels.tolist()) if c != labels[i])
        silhouettes.append((b - a) / max(a, b))
        coherences.append(cosines[i, own].mean())
    return {
        "rows": rows.tolist(),
        "labels": labels.tolist(),
        "silhouette": float(np.mean(silhouettes)),
        "coherence": float(np.mean(coherences)),
    }


def comparison_case():
    n = 60
    a = unit(random.normal(size=(n, 16)) + 0.5)
    b = unit(a + 0.15 * random.normal(size=(n, 16)))
    a, b = np.round(a, 6), np.round(b, 6)
    ua, ub = unit(a), unit(b)
    upper = np.triu_indices(n, 1)
    ca, cb = ua @ ua.T, ub @ ub.T
    shares = []
    for i in range(n):
        nearest = [set(sorted((j for j in range(n) if j != i), key=lambda j: -c[i, j])[:5]) for c in (ca, cb)]
        shares.append(len(nearest[0] & nearest[1]) / 5)
    return {
        "a": a.tolist(),
        "b": b.tolist(),
        "spearman": float(np.corrcoef(average_ranks(ca[upper]), average_ranks(cb[upper]))[0, 1]),
        "pearson": float(np.corrcoef(ca[upper], cb[upper])[0, 1]),
        "meanDifference": float(np.abs(ca[upper] - cb[upper]).mean()),
        "maxDifference": float(np.abs(ca[upper] - cb[upper]).max()),
        "overlap": float(np.mean(shares)),
        "drift": (1 - (ua * ub).sum(axis=1)).tolist(),
    }


print(
    json.dumps(
        {
            "rankings": [ranking_case() for _ in range(40)],
            "correlations": [correlation_case(i % 2 == 1) for i in range(20)],
            "set": set_case(),
            "silhouettes": [silhouette_case() for _ in range(5)],
            "comparison": comparison_case(),
        }
    )
)
