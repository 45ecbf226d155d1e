"""Makes fixtures/cache/synonyms.txt from WordNet 3.1's dict folder: groups of everyday words that can mean the same.

wordnet_synonyms.py DICT_FOLDER VOCABULARY_JSON > synonyms.txt
A word is kept when it is a whole piece of the embedder's vocabulary (that is: common), a sense when it is among the first
SENSES of both words: rare senses would make synonyms of words that nobody uses so. Two-word verbs (`sign up`) are kept too."""
import json
import re
import sys

SENSES = {"n": 4, "v": 7, "a": 4, "s": 4, "r": 3}
folder, vocabulary = sys.argv[1:3]
common = {w for w in json.load(open(vocabulary))["model"]["vocab"] if re.fullmatch(r"[a-z]{2,}", w)}


def kept(lemma):
    return all(part in common for part in lemma.split("_")) and lemma.count("_") <= 1


groups = set()
for name in ("noun", "verb", "adj", "adv"):
    rank = {}
    for line in open(f"{folder}/index.{name}"):
        if line.startswith(" "):
            continue
        fields = line.split()
        lemma, pointers = fields[0], int(fields[3])
        offsets = fields[6 + pointers:]
        for n, offset in enumerate(offsets):
            rank[lemma, offset] = n + 1
    for line in open(f"{folder}/data.{name}"):
        if line.startswith(" "):
            continue
        fields = line.split("|")[0].split()
        offset, kind, count = fields[0], fields[2], int(fields[3], 16)
        words = [fields[4 + 2 * i].split("(")[0] for i in range(count)]
        # capitals are names: a name means itself only
        words = [w for w in words if w == w.lower() and kept(w)]
        words = [w for w in words if rank.get((w, offset), 99) <= SENSES[kind]]
        if len(words) > 1:
            groups.add(" ".join(sorted(set(words))))
print("# groups of words that can mean the same, from WordNet 3.1 (see LICENSE-WORDNET); made by scripts/wordnet_synonyms.py")
print("\n".join(sorted(groups)))
