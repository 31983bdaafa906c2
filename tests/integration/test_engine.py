"""The engine itself, in a process of its own: what shares a step, and what is not computed twice."""

import json
import os
import subprocess
import sys

PROGRAM = """
import json
from dataclasses import replace
from hashlib import sha256
from inference.runtime import CANONICAL, prepare
prepare(CANONICAL)
from inference import llama
from inference.engine import Engine
from inference.model import ModelFile, demo_model
from inference.request import Request

batches = []
decode = llama.Llama.decode
def counted(self, rows):
    batches.append([(slot, position) for _, position, slot, _ in rows])
    return decode(self, rows)
llama.Llama.decode = counted

def together(engine, requests):
    batches.clear()
    answers = {}
    for key, request in enumerate(requests):
        engine.submit(key, request)
    while not engine.idle:
        answers.update(engine.step())
    return [answers[key] for key in range(len(requests))]

def request(seed, text=b"once upon a time", tokens=60):
    return Request(text, tokens, temperature_milli=3000, seed=seed, task_seed=sha256(b"task").digest())

file = ModelFile.open(demo_model().parent / "micro.gguf")
engine = Engine(file, slots=4, batch=32)
found = {}
alone = [together(engine, [request(seed)])[0] for seed in (3, 4, 5)]
mixed = together(engine, [request(3), request(4), replace(request(5), draft=alone[2].token_ids)])
found["same"] = [replace(m, draft_accepted=0) for m in mixed] == alone
found["checked"] = mixed[2].draft_accepted == alone[2].token_count
slots = [[slot for slot, _ in batch] for batch in batches]
found["shared"] = any(len(set(s)) == 3 and max(map(s.count, s)) > 1 for s in slots)
found["steps"] = len(batches)
found["longest"] = max(a.token_count for a in alone)

# A prompt that a sequence in use has read: its cache is copied, and the bits are those of reading it.
long = b"the proposal to pay the auditors " * 8
fresh = Engine(file, slots=4, batch=32)
cold = together(fresh, [request(7, long)])[0]
fresh.close()
both = Engine(file, slots=4, batch=512)
both.submit(0, request(6, long))
both.step()
batches.clear()
both.submit(1, request(7, long))
answers = {}
while not both.idle:
    answers.update(both.step())
found["copied"] = answers[1] == cold
rows = [row for batch in batches for row in batch]
found["read"] = sum(slot == 1 and position < cold.prompt_tokens for slot, position in rows)
found["reused"] = both.counts.reused == cold.prompt_tokens - 1
print(json.dumps(found))
"""


def test_generating_and_checking_share_steps_and_known_prompts_are_not_read_again():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    found = json.loads(done.stdout)
    assert found["same"] and found["checked"]
    assert found["shared"], "no step generated for two tasks and checked another one"
    assert found["steps"] <= found["longest"] + 4
    assert found["copied"] and found["reused"]
    assert found["read"] == 1  # of the prompt's tokens, the last
